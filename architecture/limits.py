"""Limits on an architecture's source."""

MAX_SOURCE_CHARACTERS = 100_000
"""A longer source is refused unread, by whoever gets it first."""
