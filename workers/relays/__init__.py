"""Relays: programs that move the bytes from the source registry to the target registry."""
