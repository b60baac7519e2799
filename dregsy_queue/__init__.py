"""dregsy_queue: sync container images between registries, as a distributed job queue."""

__version__ = "0.1.0"
