"""Limits on an architecture's source."""

MAX_SOURCE_CHARACTERS = 200_000
"""A longer source is refused unread."""
