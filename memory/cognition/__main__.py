"""Embed the entries that come with the project and store their vectors: `python -m memory.cognition`."""

from memory.cognition.stored import write_vectors

write_vectors()
