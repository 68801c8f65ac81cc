"""The human desk: turns people's messages into events.

The owner publishes on `lab.human.<campaign>`, a person with a key of their own on `lab.human.<campaign>.<person>`. So
the subject says who speaks, and a name in the message is only a signature.

It accepts plain text, and JSON `{"text", "kind", "target", "source", "by"}`. If no kind is given, the text decides: a
command (`agents.people.commands`), a question that ends in "?", or else guidance. A proposed architecture becomes an
experiment `h-<8 hex>` of its own, outside the slots. The desk replies with what it understood. What it can't take, such
as a command that is misspelt, becomes a dead letter, and the reply says why.
"""

import difflib
import json
import re
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.people.commands import Command, experiment_named, read_command
from agents.people.replies import refusal, reply_to
from architecture.limits import MAX_SOURCE_CHARACTERS
from bus.delivery.role import Decision, Post, Subdecision
from bus.delivery.role_spec import RoleSpec
from bus.delivery.throttle import Rate
from bus.delivery.transport import Durable
from bus.vocabulary.events import OWNER, HumanAnswered, HumanKind, HumanMessage, ProposalCreated, Spoken
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiments
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import CAMPAIGN, campaign_root_id, derive
from bus.wire.plain_text import clean_line, clean_text
from bus.wire.stored_message import StoredMessage

PAYLOAD_BYTES = 256 * 1024
TEXT_CHARACTERS = 2_000
BY_CHARACTERS = 64
REASON_CHARACTERS = 500
MAX_EXPERIMENTS = 1_000_000

NO_CAMPAIGN = "the lab has no campaign"
"""In the reason why a message to an unknown campaign is not taken; there is nobody to reply to."""

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
        """Return the message as events. Raises MalformedMessage, whose text is the reason on the dead letter.

        Raises LookupError for a campaign that memory does not know yet.
        """
        assert isinstance(envelope.event, Spoken)
        status: CampaignStatus = yield AskCampaignStatus(campaign=envelope.campaign)
        if status.started is None:
            raise LookupError(f"{NO_CAMPAIGN} {envelope.campaign}")  # retried: memory may be behind its start
        if envelope.event.fault:
            raise MalformedMessage(envelope.event.fault)
        payload = envelope.event.payload.encode("utf-8", "surrogatepass")
        posts = read_message(payload, envelope.campaign, envelope.id, envelope.event.by)
        if isinstance(posts, MalformedMessage):
            raise posts
        message = posts[0].event
        assert isinstance(message, HumanMessage)
        yield from _require_experiment(message, envelope.campaign, status)
        reply = reply_to(message, posts[-1].experiment)
        return [*posts, Post(CAMPAIGN, reply)] if reply else posts

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return the reply to a message that can't be taken, unless nobody would read it."""
        if NO_CAMPAIGN in reason:
            return []
        assert isinstance(envelope.event, Spoken)
        reason = clean_line(reason, REASON_CHARACTERS)
        return [Post(CAMPAIGN, refusal(_said(envelope.event.payload), reason, envelope.event.by))]


def _require_experiment(message: HumanMessage, campaign: str, status: CampaignStatus) -> Subdecision[None]:
    """Raise MalformedMessage if a message is about an experiment that the campaign does not have."""
    if message.target is None:
        return
    experiments: Experiments = yield AskExperiments(campaign=campaign, ids=(message.target,))
    if not experiments.rows:
        known = sorted({*status.ranking, *status.founders})
        near = difflib.get_close_matches(message.target, known, 3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; hint: move37 experiments lists them"
        raise MalformedMessage(f"there is no experiment {message.target}{hint}")


def _said(payload: str) -> str:
    """Return what a message that can't be taken says, as far as that can be read."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return payload
    text = value.get("text") if isinstance(value, dict) else None
    return text if isinstance(text, str) else payload


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
    if len(message.text) > TEXT_CHARACTERS:
        raise ValueError(f"a text of {len(message.text)} characters, at most {TEXT_CHARACTERS} are taken")
    text = clean_text(message.text, TEXT_CHARACTERS)
    command = _command(message, text)
    kind = command.kind if command else _kind(message, text)
    if not text and kind in {"steer", "ask"}:
        raise ValueError("it is empty")
    if command and kind in {"budget", "withdraw"}:
        text = command.argument
    return HumanMessage(
        kind=kind,
        text=_budget(text) if kind == "budget" else text,
        by=by,
        signature=clean_line(message.by, BY_CHARACTERS),
        target=_target(message.target or (command.target if command else None), kind),
        source=_source(message.source, needed=kind == "propose"),
    )


def _command(message: _Message, text: str) -> Command | None:
    """Return the command that the text gives; only if that is the message's kind, in case it names one."""
    if message.source is not None or (message.kind is None and text.endswith("?")):
        return None
    if message.kind is None:
        return read_command(text)
    with suppress(ValueError):
        command = read_command(text)
        return command if command and command.kind == message.kind else None
    return None


def _kind(message: _Message, text: str) -> HumanKind:
    """Return the kind of a message that is no command."""
    by_text = "propose" if message.source is not None else "ask" if text.endswith("?") else "steer"
    return message.kind or by_text


def _budget(digits: str) -> str:
    """Return the new number of experiments as plain digits. Raises ValueError."""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_EXPERIMENTS))):
        raise ValueError("a budget is a whole number of experiments, such as `budget 40`")
    if int(digits) > MAX_EXPERIMENTS:
        raise ValueError(f"a budget of {int(digits)} is above {MAX_EXPERIMENTS}")
    return str(int(digits))


def _target(target: str | None, kind: HumanKind) -> str | None:
    """Return the experiment that is meant. Raises ValueError if one is needed and none is named."""
    if target is None and kind in {"veto", "restore"}:
        raise ValueError(f"a {kind} names an experiment, such as `{kind} e0003`")
    if target is not None and not _EXPERIMENT.match(target):
        raise ValueError("the target is no name of an experiment")
    return target if target is None else experiment_named(target)


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
    """Return what a person published as the desk's input; bytes that are no text have a fault."""
    fault = ""
    try:
        payload = stored.payload.decode("utf-8")
    except UnicodeDecodeError:
        payload, fault = stored.payload.decode("utf-8", "replace"), "a person's message has to be text in UTF-8"
    campaign = stored.subject.split(".")[2]
    return Envelope(
        id=message_id(campaign, stored.seq),
        source="/lab/human/1",
        time=datetime.now(UTC),
        campaign=campaign,
        experiment=CAMPAIGN,
        event=Spoken(payload=payload, by=speaker_on(stored.subject), fault=fault),
        cause=campaign_root_id(campaign),
    )


def speaker_on(subject: str) -> str:
    """Return who publishes on a subject of people, whatever the campaign."""
    _, _, _, *person = subject.split(".")
    return person[0] if person else OWNER


def message_id(campaign: str, position: int) -> str:
    """Return the id of a message to a campaign by its place in the inbox, so that a redelivery has the same one."""
    return derive("heard", subjects.human_inbox(campaign), position)


SPEC = RoleSpec(
    name="desk",
    summary="turns people's messages into events",
    publishes=(HumanMessage, ProposalCreated, HumanAnswered),
    asks=True,
    inbox=Durable("desk", subjects.HUMAN, (subjects.human_inbox("*"), subjects.human_inbox("*", "*")), batch=64),
    read=spoken_envelope,
    rate=Rate(burst=30, per_second=5.0, sender=speaker_on),
    build=Desk,
)
