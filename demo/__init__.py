"""`make demo`: the main job on real registries, from an empty machine to a second run that has nothing to do."""
