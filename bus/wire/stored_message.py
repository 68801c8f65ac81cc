"""A message as a stream stores it."""

from dataclasses import dataclass

MAX_MESSAGE_BYTES = 8 << 20
"""Length of the longest payload that the lab's own server takes."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message at its position in a stream."""

    seq: int
    subject: str
    payload: bytes
