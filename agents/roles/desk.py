"""The human desk: turns people's messages into events.

The owner publishes on `lab.human.<campaign>`, a person with a key of their own on `lab.human.<campaign>.<person>`. So
the subject says who speaks, and a name in the message is only a signature.

It accepts plain text, and JSON `{"text", "kind", "target", "source", "by"}`. If no kind is given, the text decides:
`pause`, `resume`, `stop`, `veto e0003`, `restore e0003`, `budget 40`, a question that ends in "?"; anything else
steers. A proposed architecture becomes an experiment `h-<8 hex>` of its own, outside the slots.
"""

import json
import re
from datetime import UTC, datetime
from typing import get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from architecture.limits import MAX_SOURCE_CHARACTERS
from bus.delivery.role import Decision, Post
from bus.delivery.role_spec import RoleSpec
from bus.delivery.transport import Durable
from bus.vocabulary.events import OWNER, HumanKind, HumanMessage, ProposalCreated, Spoken
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import CAMPAIGN, campaign_root_id, derive
from bus.wire.plain_text import clean_line, clean_text
from bus.wire.stored_message import StoredMessage

PAYLOAD_BYTES = 256 * 1024
TEXT_CHARACTERS = 2_000
BY_CHARACTERS = 64
MAX_EXPERIMENTS = 1_000_000

_NAMING = re.compile(r"(veto|restore)\s+(\S+)\s*$", re.IGNORECASE)
"""Text that names an experiment."""
_BUDGET = re.compile(r"budget\s+(\d+)\s*$", re.IGNORECASE)
_BARE = re.compile(r"(veto|restore|budget)(\s+[^\s?]+)?\s*$", re.IGNORECASE)
"""Text that begins with one of these and has at most one more word; the experiment or number may be missing."""
_EXPERIMENT = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_CLASS = re.compile(r"^class\s+(\w+)", re.MULTILINE)


class _Message(BaseModel):
    """A person's message as JSON; strict, so that `{"text": 1}` is refused rather than guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    text: str = ""
    kind: HumanKind | None = None
    target: str | None = None
    source: str | None = None
    by: str = ""


class Desk:
    """Decides what a person's raw message means."""

    def decide(self, envelope: Envelope) -> Decision:
        """Return the message as events. Raises MalformedMessage, whose text is the reason on the dead letter."""
        yield from ()  # a decision is a generator, though this one asks nothing
        assert isinstance(envelope.event, Spoken)
        payload = envelope.event.payload.encode("utf-8", "surrogatepass")
        posts = read_message(payload, envelope.campaign, envelope.id, envelope.event.by)
        if isinstance(posts, MalformedMessage):
            raise posts
        return posts


def read_message(payload: bytes, campaign: str, message_id: object, by: str = OWNER) -> list[Post] | MalformedMessage:
    """Return the events that a person's message stands for, or why it stands for none.

    `message_id` names the message for good, such as its position in the inbox; a proposed experiment is named after it.
    """
    try:
        message = _complete(_parse(payload), by)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return MalformedMessage(f"message of a person: {'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}")
    except ValueError as error:
        return MalformedMessage(f"message of a person: {error}")
    posts = [Post(CAMPAIGN, message)]
    if message.kind == "propose" and message.source is not None:
        posts.append(_proposal(message, message.source, campaign, message_id))
    return posts


def _parse(payload: bytes) -> _Message:
    """Return the message as given. Raises ValueError, ValidationError."""
    if len(payload) > PAYLOAD_BYTES:
        raise ValueError(f"{len(payload)} bytes, at most {PAYLOAD_BYTES} are read")
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    if not text.lstrip().startswith("{"):
        return _Message(text=text)
    try:
        return _Message.model_validate(json.loads(text))
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("begins like JSON but is none") from None


def _complete(message: _Message, by: str) -> HumanMessage:
    """Return a person's message, cleaned; if it names no kind, its text decides. Raises ValueError."""
    text = clean_text(message.text, TEXT_CHARACTERS)
    kind = message.kind or _kind(text, message.source)
    if not text and kind in {"steer", "ask"}:
        raise ValueError("it is empty")
    return HumanMessage(
        kind=kind,
        text=_budget(text) if kind == "budget" else text,
        by=by,
        signature=clean_line(message.by, BY_CHARACTERS),
        target=_target(text, message.target, kind),
        source=_source(message.source, needed=kind == "propose"),
    )


def _kind(text: str, source: str | None) -> HumanKind:
    """Return the kind of a message that names none."""
    word = text.strip().rstrip(".!").lower()
    if source is not None:
        return "propose"
    if word in {"pause", "resume", "stop"}:
        return next(kind for kind in get_args(HumanKind) if kind == word)
    if match := _BARE.match(text):
        return next(kind for kind in get_args(HumanKind) if kind == match[1].lower())
    return "ask" if text.endswith("?") else "steer"


def _budget(text: str) -> str:
    """Return the new number of experiments as plain digits. Raises ValueError."""
    digits = (match[1] if (match := _BUDGET.match(text)) else text).strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_EXPERIMENTS))):
        raise ValueError("a budget is a whole number of experiments, such as `budget 40`")
    if int(digits) > MAX_EXPERIMENTS:
        raise ValueError(f"a budget of {int(digits)} is above {MAX_EXPERIMENTS}")
    return str(int(digits))


def _target(text: str, target: str | None, kind: HumanKind) -> str | None:
    """Return the experiment that is meant. Raises ValueError if one is needed and none is named."""
    needed = kind in {"veto", "restore"}
    if target is None and needed and (match := _NAMING.match(text)):
        target = match[2]
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
    if len(source) > MAX_SOURCE_CHARACTERS:
        raise ValueError(f"a source of {len(source)} characters, at most {MAX_SOURCE_CHARACTERS} are taken")
    clean = clean_text(source, MAX_SOURCE_CHARACTERS)
    if not clean:
        raise ValueError("the proposed file is empty")
    return clean + "\n"


def _proposal(message: HumanMessage, source: str, campaign: str, message_id: object) -> Post:
    """Return the experiment that a person's architecture becomes."""
    match = _CLASS.search(source)
    name = clean_line(match[1], 60) if match else "unnamed"
    return Post(
        f"h-{derive(campaign, message_id)[:8]}",
        ProposalCreated(
            name=name,
            motivation=message.text or f"Proposed by {message.speaker}: {name}.",
            source=source,
            origin="human",
            operator="propose",
        ),
    )


def spoken_envelope(stored: StoredMessage) -> Envelope:
    """Return what a person published as the desk's input. Raises MalformedMessage if it is not text in UTF-8."""
    try:
        payload = stored.payload.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedMessage("a person's message has to be text in UTF-8") from None
    _, _, campaign, *person = stored.subject.split(".")
    return Envelope(
        id=message_id(campaign, stored.seq),
        source="/lab/human/1",
        time=datetime.now(UTC),
        campaign=campaign,
        experiment=CAMPAIGN,
        event=Spoken(payload=payload, by=person[0] if person else OWNER),
        cause=campaign_root_id(campaign),
    )


def message_id(campaign: str, position: int) -> str:
    """Return the id of a message to a campaign by its place in the inbox, so that a redelivery has the same one."""
    return derive("heard", subjects.human_inbox(campaign), position)


SPEC = RoleSpec(
    name="desk",
    summary="turns people's messages into events",
    publishes=(HumanMessage, ProposalCreated),
    inbox=Durable("desk", subjects.HUMAN, (subjects.human_inbox("*"), subjects.human_inbox("*", "*"))),
    read=spoken_envelope,
    build=Desk,
)
