"""The documentation says what is true: links, samples, commands, names."""
