"""Commands that need registries but no cluster."""
