"""The data plane: what a worker does with one job."""
