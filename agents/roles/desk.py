"""The human desk: reads what people publish on `lab.human.<campaign>` and makes facts of it.

Accepted are plain text, and JSON `{"text", "kind", "target", "source", "by"}`. Where no kind is given it is read off
the words: `pause`, `resume`, `stop`, `veto e0003`, `restore e0003`, `budget 40`, a question that ends in "?", and
anything else steers. A proposed architecture becomes an experiment `h-<8 hex>` of its own, outside the slots.
"""

import json
import re
from typing import ClassVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from bus.delivery.role import Decision, Post
from bus.vocabulary.events import Event, HumanKind, HumanMessage, ProposalCreated, Spoken
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import CAMPAIGN, derive
from bus.wire.plain_text import clean_line, clean_text

PAYLOAD_BYTES = 256 * 1024
TEXT_CHARACTERS = 2_000
SOURCE_CHARACTERS = 100_000
BY_CHARACTERS = 64
MAX_EXPERIMENTS = 1_000_000

_NAMING = re.compile(r"(veto|restore)\s+(\S+)\s*$", re.IGNORECASE)
"""Words that name an experiment."""
_BUDGET = re.compile(r"budget\s+(\d+)\s*$", re.IGNORECASE)
_BARE = re.compile(r"(veto|restore|budget)(\s+[^\s?]+)?\s*$", re.IGNORECASE)
"""Words that begin as one of these and have at most one more are meant as it, though something may be missing."""
_EXPERIMENT = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_CLASS = re.compile(r"^class\s+(\w+)", re.MULTILINE)


class _Words(BaseModel):
    """What a person may put into JSON; strict, so that `{"text": 1}` is refused rather than guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    text: str = ""
    kind: HumanKind | None = None
    target: str | None = None
    source: str | None = None
    by: str = "human"


class Desk:
    """Decides what a person's raw words mean."""

    name: ClassVar[str] = "desk"
    handles: ClassVar[tuple[type[Event], ...]] = (Spoken,)

    def decide(self, envelope: Envelope) -> Decision:
        """Make facts of the words. Raises Malformed, whose text is the reason on the dead letter."""
        yield from ()  # a decision is a generator, though this one has nothing to ask
        assert isinstance(envelope.event, Spoken)
        read = read_message(envelope.event.payload.encode("utf-8", "surrogatepass"), envelope.campaign, envelope.id)
        if isinstance(read, MalformedMessage):
            raise read
        return read


def read_message(payload: bytes, campaign: str, message_id: object) -> list[Post] | MalformedMessage:
    """Return the facts that a message states, or why it states none.

    `message_id` is whatever names the message for good, such as its position in the inbox: experiments are named by it.
    """
    try:
        message = _completed(_parsed(payload))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return MalformedMessage(f"message of a person: {'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}")
    except ValueError as error:
        return MalformedMessage(f"message of a person: {error}")
    posts = [Post(CAMPAIGN, message)]
    if message.kind == "propose" and message.source is not None:
        posts.append(_proposal(message, message.source, campaign, message_id))
    return posts


def _parsed(payload: bytes) -> _Words:
    """Return the words as given. Raises ValueError, ValidationError."""
    if len(payload) > PAYLOAD_BYTES:
        raise ValueError(f"{len(payload)} bytes, at most {PAYLOAD_BYTES} are read")
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    if not text.lstrip().startswith("{"):
        return _Words(text=text)
    try:
        return _Words.model_validate(json.loads(text))
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("begins like JSON but is none") from None


def _completed(words: _Words) -> HumanMessage:
    """Return the message, cleaned, its kind read off the words where none is given. Raises ValueError."""
    text = clean_text(words.text, TEXT_CHARACTERS)
    kind = words.kind or _kind(text, words.source)
    if not text and kind in {"steer", "ask"}:
        raise ValueError("it is empty")
    return HumanMessage(
        kind=kind,
        text=_budget(text) if kind == "budget" else text,
        by=clean_line(words.by, BY_CHARACTERS) or "human",
        target=_target(text, words.target, kind),
        source=_source(words.source, needed=kind == "propose"),
    )


def _kind(text: str, source: str | None) -> HumanKind:
    """Return what a message without a kind wants."""
    word = text.strip().rstrip(".!").lower()
    if source is not None:
        return "propose"
    if word in {"pause", "resume", "stop"}:
        return next(kind for kind in get_args(HumanKind) if kind == word)
    if found := _BARE.match(text):
        return next(kind for kind in get_args(HumanKind) if kind == found[1].lower())
    return "ask" if text.endswith("?") else "steer"


def _budget(text: str) -> str:
    """Return the new number of experiments as plain digits. Raises ValueError."""
    digits = (found.group(1) if (found := _BUDGET.match(text)) else text).strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_EXPERIMENTS))):
        raise ValueError("a budget is a whole number of experiments, such as `budget 40`")
    if int(digits) > MAX_EXPERIMENTS:
        raise ValueError(f"a budget of {int(digits)} is above {MAX_EXPERIMENTS}")
    return str(int(digits))


def _target(text: str, target: str | None, kind: HumanKind) -> str | None:
    """Return the experiment that is meant. Raises ValueError where one is needed and none is named."""
    needed = kind in {"veto", "restore"}
    if target is None and needed and (found := _NAMING.match(text)):
        target = found[2]
    if target is None and needed:
        raise ValueError(f"a {kind} names an experiment, such as `{kind} e0003`")
    if target is not None and not _EXPERIMENT.match(target):
        raise ValueError("the target is no name of an experiment")
    return target


def _source(source: str | None, *, needed: bool) -> str | None:
    """Return the proposed file without hidden characters. Raises ValueError."""
    if source is None:
        if needed:
            raise ValueError("a proposal carries its Python file as `source`")
        return None
    if len(source) > SOURCE_CHARACTERS:
        raise ValueError(f"a source of {len(source)} characters, at most {SOURCE_CHARACTERS} are taken")
    clean = clean_text(source, SOURCE_CHARACTERS)
    if not clean:
        raise ValueError("the proposed file is empty")
    return clean + "\n"


def _proposal(message: HumanMessage, source: str, campaign: str, message_id: object) -> Post:
    """Return the experiment that a person's architecture becomes."""
    found = _CLASS.search(source)
    name = clean_line(found.group(1), 60) if found else "unnamed"
    return Post(
        f"h-{derive(campaign, message_id)[:8]}",
        ProposalCreated(
            name=name,
            motivation=message.text or f"Proposed by {message.by}: {name}.",
            source=source,
            origin="human",
            operator="propose",
        ),
    )
