"""Where do credentials come from? One file per source."""
