"""A fork: a new home that holds a past log up to a position and goes on from there (`move37 fork`).

It carries the messages up to that position, byte for byte and in their places, with the hashes noted of them; the
traces of the decisions that they hold; and, from a home, the weights trained by then. What a role had decided by then
is acknowledged in its durable consumer, so that nothing is decided, trained or asked of a model again; what it had in
hand comes to it when the fork runs. Loss points, dead letters and words that nobody had heard stay behind.
"""

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bus.audit import chain, log_file
from bus.audit.chain import ChainLink
from bus.delivery.actor import GIVE_UP_ORDINAL
from bus.delivery.durables import ALL_DURABLES, INBOXES, SUBSCRIPTIONS
from bus.delivery.replay import Traces, read_traces, replay_role, traces_path
from bus.delivery.transport import Durable, Transport
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.security import access
from bus.vocabulary.events import CampaignStarted, HumanMessage, RunCompleted
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import derive
from bus.wire.stored import Stored
from lab.client import connection
from lab.errors import LabError
from lab.home import Home
from lab.operations import log_export, replay, verify
from lab.runtime.roles import human_message_id
from lab.settings import Settings

NOT_CARRIED = 10_000
"""Words in a row that the desk could make nothing of, at most: the last one it understood is looked for so far."""
PULL_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class RecordedLog:
    """A log with what belongs to it."""

    messages: Sequence[Stored]
    links: Sequence[ChainLink]
    traces: Sequence[bytes]
    artifacts: Path | None
    """Where its trained weights lie; None for an exported file."""


@dataclass(frozen=True, slots=True)
class ForkSummary:
    """What a fork holds."""

    campaign: str
    events: int
    traces: int
    weights: int
    under_way: Mapping[str, int]
    """Role → the events that it had heard of and not finished with."""


async def fork(settings: Settings, log: Path, at: int, home: Home) -> ForkSummary:
    """Begin a home from a log (an exported file, or a home) up to a position. Raises LabError."""
    if home.root.exists() and any(home.root.iterdir()):
        raise LabError(f"{home.root} is not empty; choose another --home")
    past = await _past(settings, log)
    _verify(past, at, log)
    kept, said = past.messages[:at], _readable(past.messages)
    campaign = _campaign(said, at)
    home.prepare()
    with home.locked():
        traces = read_traces(past.traces)
        done = {role: decided_events(role, said, at, traces) for role in SUBSCRIPTIONS}
        told = [trace for trace in past.traces if _belongs(trace, done)]
        heard = last_human_position(campaign, {one.id for one in said if one.seq <= at})
        async with _streams(settings, home, heard) as transport:
            await _write(transport, kept, told)
            under_way = {role: await _settle(transport, INBOXES[role], done[role]) for role in SUBSCRIPTIONS}
        chain.write_chain(home.chain, past.links[:at], kept)
        weights = _weights(past.artifacts, home.artifacts, said, at)
        home.note_campaign(_note(campaign, said, at))
    return ForkSummary(campaign, at, len(told), weights, under_way)


async def _past(settings: Settings, log: Path) -> RecordedLog:
    """Return the past that a file or a home holds. Raises LabError."""
    if not log.exists():
        raise LabError(f"there is no log or home {log}")
    if not log.is_dir():
        return _exported(log, None)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.jsonl"
        await log_export.export_log(settings.model_copy(update={"home": log, "nats": None}), file)
        return _exported(file, Home(log).artifacts)


def _exported(file: Path, artifacts: Path | None) -> RecordedLog:
    """Return what `move37 export-log` wrote. Raises LabError."""
    links = verify.links(chain.chain_path(file))
    replay.traces_beside(file)  # says what is wrong with them
    return RecordedLog(verify.messages(file, links), links, tuple(log_file.read_payloads(traces_path(file))), artifacts)


def _verify(past: RecordedLog, at: int, log: Path) -> None:
    """Raise LabError where the log has no such position, or is not what it was up to there."""
    if not 1 <= at <= len(past.messages):
        raise LabError(f"{log} has no position {at}; its last is {len(past.messages)}")
    verdict = chain.verify_chain(past.links[:at], past.messages[:at])
    if verdict.first_difference is not None:
        raise LabError(
            f"position {verdict.first_difference} of {log} {verdict.how}; a fork of it would not be of that past"
        )


def _readable(messages: Sequence[Stored]) -> list[Envelope]:
    """Return the events; what is none, no role had read."""
    said: list[Envelope] = []
    for stored in messages:
        try:
            said.append(subjects.decode_event(stored))
        except MalformedMessage:
            continue
    return said


def _campaign(said: Sequence[Envelope], at: int) -> str:
    """Return the newest campaign of the log up to a position. Raises LabError."""
    started = [one.campaign for one in said if isinstance(one.event, CampaignStarted) and one.seq <= at]
    if not started:
        raise LabError(f"no campaign had started by position {at}")
    return started[-1]


def decided_events(name: str, said: Sequence[Envelope], at: int, traces: Traces) -> set[str]:
    """Return the ids of the events upon which a role had said all it had to say by a position.

    That is shown by a replay that finds nothing missing. Where today's role would decide otherwise, it is shown by the
    log: a decision spoke, and said nothing more beyond the position.
    """
    past = [one for one in said if one.seq <= at]
    spoke = {one.cause for one in past if one.role == name}
    goes_on = {one.cause for one in said if one.role == name and one.seq > at}
    ids = {one.id for one in past}
    return {
        upon.id
        for upon, difference in replay_role(replay.build_role(name, traces), past, traces)
        if difference is None or upon.id in spoke - goes_on
    } | {one.id for one in past if derive(one.id, name, GIVE_UP_ORDINAL) in ids}


def _belongs(trace: bytes, done: Mapping[str, Collection[str]]) -> bool:
    """Say whether a trace is of a decision that is done; any other is written when it is made."""
    body = json.loads(trace)
    return body["cause"] in done.get(body["role"], ())


def last_human_position(campaign: str, ids: Collection[str]) -> int:
    """Return the place in the inbox of the last word that the log holds; 0 where it holds none.

    What the desk says is named by the place of the words (`lab.runtime.roles.heard`), so that words to the fork come
    after it.
    """
    subject, place, last = subjects.human_inbox(campaign), 0, 0
    while place < last + NOT_CARRIED:
        place += 1
        if derive(human_message_id(subject, place), "desk", 0) in ids:
            last = place
    return last


@asynccontextmanager
async def _streams(settings: Settings, home: Home, heard: int) -> AsyncIterator[NatsTransport]:
    """Yield the empty streams of a new home, the inbox beginning behind the words that were heard."""
    async with server.run_server(home.nats, home.authorization()) as url:
        transport = await connection.connect(settings, access.ADMIN, url, seeds=home.keys)
        try:
            await transport.provision(ALL_DURABLES, begins={subjects.HUMAN: heard + 1})
            yield transport
        finally:
            await transport.close()


async def _write(transport: Transport, messages: Sequence[Stored], traces: Sequence[bytes]) -> None:
    """Write the log and the traces. Raises LabError where a message does not come to stand where it stood."""
    for stored in messages:
        if await transport.publish(stored.subject, stored.payload, _id(stored)) != stored.seq:
            raise LabError(f"position {stored.seq} repeats an earlier message of the log")
    for trace in traces:
        body = json.loads(trace)
        await transport.publish(subjects.trace(body["cause"]), trace, derive(body["cause"], body["role"], "trace"))


def _id(stored: Stored) -> str:
    """Return the id by which the stream knows a message again."""
    try:
        return subjects.decode_event(stored).id
    except MalformedMessage:
        return derive(stored.subject, stored.seq)


async def _settle(transport: Transport, durable: Durable, done: Collection[str]) -> int:
    """Acknowledge what a role has decided and return how many events are left to it."""
    left: set[int] = set()
    while delivery := await transport.pull(durable, PULL_TIMEOUT_S):
        if _id(delivery.stored) in done:
            await delivery.ack()
        else:
            left.add(delivery.stored.seq)
        if not delivery.waiting:
            break
    return len(left)


def _weights(source: Path | None, target: Path, said: Sequence[Envelope], at: int) -> int:
    """Copy the weights that were trained by a position and return how many."""
    if source is None:
        return 0
    names = [one.event.weights for one in said if isinstance(one.event, RunCompleted) and one.seq <= at]
    files = [path for name in names if (path := source / name).is_file() and ".." not in path.parts]
    for path in files:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    return len(files)


def _note(campaign: str, said: Sequence[Envelope], at: int) -> dict[str, object]:
    """Return what a home notes of its campaign: its budget is the one in force at the position."""
    mine = [one.event for one in said if one.campaign == campaign and one.seq <= at]
    started = next(event for event in mine if isinstance(event, CampaignStarted))
    budgets = [event.text for event in mine if isinstance(event, HumanMessage) and event.kind == "budget"]
    experiments = int(budgets[-1]) if budgets else started.experiments
    return {"id": campaign, "seed": started.seed, "scale": started.scale, "experiments": experiments}
