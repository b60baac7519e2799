"""How do we reach the registries that a config names?"""
