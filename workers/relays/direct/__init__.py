"""The direct relay: registry to registry by the distribution API, without a program."""
