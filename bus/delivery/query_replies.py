"""Replies to queries on the bus: a reply, or the error that is sent instead, to JSON and back.

Either `{"reply": {...}}` or `{"error": "there is no experiment 'e0009' ...", "later": false}`.
"""

import json

from pydantic_core import to_json

from bus.delivery.traces import RecordedAnswer
from bus.vocabulary.events import Record
from bus.vocabulary.queries import Query

REPLY_PREFIX, REPLY_SUFFIX = b'{"reply":', b"}"
"""What encloses a reply on the bus. It is joined and cut as bytes, so that a trace records the reply byte for byte."""


class QueryRefused(Exception):
    """The asker's error: memory refused the query; the text says why in one line."""


class MemoryBehind(QueryRefused):
    """The asker's error: memory can't answer yet, for example because it reads the log more slowly; ask again later."""


class AnswerPending(ValueError):
    """The responder's error: the same query will have an answer later. The asker gets it as MemoryBehind."""


def encode_reply(reply: Record) -> bytes:
    """Return a reply as JSON, without default values."""
    return REPLY_PREFIX + reply.model_dump_json(exclude_defaults=True).encode() + REPLY_SUFFIX


def encode_error(reason: str, *, later: bool) -> bytes:
    """Return an error as JSON; `later` says that the same query will have an answer later."""
    return to_json({"error": reason, "later": later})


def decode_reply(query: Query, payload: bytes) -> RecordedAnswer:
    """Return the query with its typed reply and the reply's bytes. Raises QueryRefused or MemoryBehind."""
    try:
        if payload.startswith(REPLY_PREFIX):
            body = payload[len(REPLY_PREFIX) : -len(REPLY_SUFFIX)]
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
