"""A small world around the real scripts and a real Redis, for a test that does anything in any order."""
