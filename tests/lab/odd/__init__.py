"""One registry in memory whose behaviour a test bends: `registry` serves, `quirks` bend it."""
