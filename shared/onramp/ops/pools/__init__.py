"""Changing the triggers of a user pool, and nothing else of it."""
