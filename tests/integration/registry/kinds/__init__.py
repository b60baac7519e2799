"""Registries as they are reported to be: one table per kind of behaviour, all tried by whole syncs (`test_kinds`)."""
