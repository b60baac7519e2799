"""Registries: references, and a client of the distribution API (OCI distribution-spec 1.1)."""
