"""Copying by a Docker daemon."""
