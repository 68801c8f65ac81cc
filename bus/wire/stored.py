"""A message as a stream holds it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """A message at its place in a stream."""

    seq: int
    subject: str
    payload: bytes
