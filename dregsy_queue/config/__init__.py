"""The config file: dregsy's keys and ours, as typed models, and every error with file, line and key."""
