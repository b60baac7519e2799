"""What a mapping selects: paths, tags, platforms. Pure functions of values, without any I/O."""
