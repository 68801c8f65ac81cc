"""A message as a stream stores it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message at its position in a stream."""

    seq: int
    subject: str
    payload: bytes
