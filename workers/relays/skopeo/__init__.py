"""Copying by the skopeo program."""
