"""Replies to queries: how they are written and read on the bus, and the errors that stand in place of one."""

import json

from pydantic_core import to_json

from bus.delivery.traces import RecordedAnswer
from bus.vocabulary.events import Record
from bus.vocabulary.queries import Query

PREFIX, SUFFIX = b'{"reply":', b"}"


class QueryRefused(Exception):
    """A query was answered with an error; the text is that error, in one line."""


class MemoryBehind(QueryRefused):
    """Memory has not read the log so far yet; the same query has an answer later."""


class AnswerPending(ValueError):
    """Raised by a handler if the same query will have an answer later."""


def encode_reply(reply: Record) -> bytes:
    """Return a reply as JSON, without default values."""
    return PREFIX + reply.model_dump_json(exclude_defaults=True).encode() + SUFFIX


def encode_error(reason: str, *, later: bool) -> bytes:
    """Return an error as JSON; `later` promises that the same query will have an answer."""
    return to_json({"error": reason, "later": later})


def decode_reply(query: Query, payload: bytes) -> RecordedAnswer:
    """Return the typed reply with its bytes. Raises QueryRefused, or MemoryBehind if an answer comes later."""
    try:
        if payload.startswith(PREFIX):
            body = payload[len(PREFIX) : -len(SUFFIX)]
            return RecordedAnswer(query, query.Reply.model_validate_json(body), body)
        error = _decode_error(payload)
    except (ValueError, KeyError, TypeError) as fault:
        raise QueryRefused(f"unreadable answer to {query.name} ({type(fault).__name__})") from None
    raise error


def _decode_error(payload: bytes) -> QueryRefused:
    """Return the error in a reply. Raises ValueError, KeyError or TypeError if there is none."""
    body = json.loads(payload)
    if not isinstance(body, dict):
        raise TypeError("no object")
    kind = MemoryBehind if body.get("later") else QueryRefused
    return kind(str(body["error"]))
