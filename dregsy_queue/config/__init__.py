"""The config file: dregsy's keys and ours, as typed models, and every error with file, line and key."""

import os

# pydantic would search all installed packages for plugins, 12 ms of CPU, and show each of them the config.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
