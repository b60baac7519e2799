"""A soak: images change and are synced for minutes, while everything that can fail does, at random."""
