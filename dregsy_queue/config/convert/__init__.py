"""How does another tool's config become one of ours?"""
