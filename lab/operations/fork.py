"""A fork: a new home that starts from a log up to a position (`move37 fork`).

The fork gets the messages up to that position, byte for byte and at their positions, with their recorded hashes. It
gets the traces of the decisions made by then and, from a home, the weights trained by then.
The events that a role had decided by then are acknowledged in its durable consumer, so that nothing is decided, trained
or completed by a model again. The remaining events go to their roles when the fork runs. Loss points, dead letters and
messages that the desk had not read are left out.
"""

import json
import shutil
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.audit import chain
from bus.delivery.bus import Bus
from bus.delivery.role import Post
from bus.delivery.role_spec import RoleSpec
from bus.delivery.traces import read_traces, trace_id
from bus.delivery.transport import NoAnswer, Transport
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.security import access
from bus.vocabulary.events import CampaignForked, CampaignStarted, HumanMessage, RunCompleted
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import CAMPAIGN, derive
from bus.wire.stored_message import StoredMessage
from lab.client import connection
from lab.client.in_force import in_force
from lab.errors import LabError
from lab.home import Home
from lab.operations.decided_past import decided_events, is_of_decided, last_human_position
from lab.operations.recorded_log import read_recorded, require_intact_past
from lab.roster import all_durables, decider_specs
from lab.runtime.fork_changes import ForkChanges, campaign_forked
from lab.settings import Settings

UNCHANGED = ForkChanges()
PULL_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class ForkSummary:
    """The content of a fork."""

    campaign: str
    events: int
    traces: int
    weights: int
    under_way: Mapping[str, int]
    """Role → events that were delivered to it and not fully decided."""
    changes: Mapping[str, str | int]
    """What steers the search differently from there on, such as its policy."""


async def fork(
    settings: Settings, log: Path, at: int, home: Home, text: str = "", changes: ForkChanges = UNCHANGED
) -> ForkSummary:
    """Start a home from a log (an exported file, or a home) up to position `at`.

    Raises LabError; the home is then as empty as before.

    `text` is what its owner says to the lab there; the desk reads it when the fork runs. Changes of what steers the
    search are an event of their own, after the kept ones.
    """
    home.require_empty()
    recorded = await read_recorded(settings, log)
    require_intact_past(recorded, at, log)
    messages, history = recorded.messages[:at], subjects.decode_events(recorded.messages)
    campaign = _newest_campaign(history, at)
    record = _campaign_record(campaign, history, at)
    forked = _forked(changes, settings, history, at, record) if changes.any else None
    with home.filled():
        traces = read_traces(recorded.traces)
        specs = decider_specs()
        decided = {name: decided_events(spec, history, at, traces) for name, spec in specs.items()}
        decided_traces = [trace for trace in recorded.traces if is_of_decided(trace, decided)]
        last_read = last_human_position(campaign, {envelope.id for envelope in history if envelope.seq <= at})
        async with _new_streams(settings, home, last_read) as transport:
            await _write(transport, messages, decided_traces)
            under_way = {
                name: await _acknowledge(transport, spec, decided[name], messages, settings.patience)
                for name, spec in specs.items()
            }
            if forked:
                await Bus(transport, "director", "lab").publish(Post(CAMPAIGN, forked), campaign, ordinal=f"at {at}")
            if text:
                message = json.dumps({"text": text}).encode()
                await transport.publish(subjects.human_inbox(campaign), message, f"say-{time.time_ns()}")
        chain.write_chain(home.chain, recorded.links[:at], messages)
        weights = _copy_weights(recorded.artifacts, home.artifacts, history, at)
        home.record_campaign(record | ({"policy": changes.policy} if changes.policy is not None else {}))
    return ForkSummary(campaign, at, len(decided_traces), weights, under_way, forked.changes if forked else {})


def _newest_campaign(history: Sequence[Envelope], at: int) -> str:
    """Return the newest campaign of the log up to a position. Raises LabError."""
    started = [one.campaign for one in history if isinstance(one.event, CampaignStarted) and one.seq <= at]
    if not started:
        raise LabError(f"no campaign has started by position {at}; hint: choose a later position")
    return started[-1]


@asynccontextmanager
async def _new_streams(settings: Settings, home: Home, last_read: int) -> AsyncIterator[NatsTransport]:
    """Yield a connection to the empty streams of a new home; the human inbox begins after position `last_read`."""
    async with server.run_server(home.nats, home.authorization(), settings.patience) as url:
        transport = await connection.connect(settings, access.ADMIN, url, seeds=home.keys)
        try:
            first = {subjects.HUMAN: last_read + 1}
            await transport.provision(all_durables(), first_positions=first, patience=settings.patience)
            yield transport
        finally:
            await transport.close()


async def _write(transport: Transport, messages: Sequence[StoredMessage], traces: Sequence[bytes]) -> None:
    """Write the log and the traces. Raises LabError if a message does not get its old position."""
    for stored in messages:
        receipt = await transport.publish(stored.subject, stored.payload, _message_id(stored))
        if receipt.position != stored.seq:
            raise LabError(f"position {stored.seq} repeats an earlier message of the log; refusing to fork")
    for trace in traces:
        body = json.loads(trace)
        await transport.publish(subjects.trace(body["cause"]), trace, trace_id(body["role"], body["cause"], trace))


def _message_id(stored: StoredMessage) -> str:
    """Return the id by which the stream recognises a repeated message."""
    try:
        return subjects.decode_event(stored).id
    except MalformedMessage:
        return derive(stored.subject, stored.seq)


async def _acknowledge(
    transport: Transport, spec: RoleSpec, decided: Collection[str], messages: Sequence[StoredMessage], patience: float
) -> int:
    """Acknowledge the events that a role has decided and return how many remain.

    Every one of the messages that its consumer receives has to come, or the fork would decide it again. Raises NoAnswer
    if none comes for `patience` seconds.
    """
    assert spec.durable, f"{spec.name} has no consumer"
    filters = spec.durable.filters
    awaited = {stored.seq for stored in messages if any(subjects.matches(one, stored.subject) for one in filters)}
    remaining, deadline = 0, time.monotonic() + patience
    while awaited:
        delivery = await transport.pull(spec.durable, PULL_TIMEOUT_S)
        if delivery is None:
            if time.monotonic() > deadline:
                raise NoAnswer(f"{len(awaited)} messages for {spec.name} did not come within {patience:g} s")
            continue
        deadline = time.monotonic() + patience
        if _message_id(delivery.stored) in decided:
            await delivery.ack()
        else:
            remaining += delivery.stored.seq in awaited
        awaited.discard(delivery.stored.seq)
    return remaining


def _copy_weights(source: Path | None, target: Path, history: Sequence[Envelope], at: int) -> int:
    """Copy the weights that were trained by a position and return how many."""
    if source is None:
        return 0
    names = [one.event.weights for one in history if isinstance(one.event, RunCompleted) and one.seq <= at]
    files = [path for name in names if (path := source / name).is_file() and ".." not in path.parts]
    for path in files:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    return len(files)


def _campaign_record(campaign: str, history: Sequence[Envelope], at: int) -> dict[str, Any]:
    """Return the campaign's record for a home, with the budget in force at the position."""
    events = [one.event for one in history if one.campaign == campaign and one.seq <= at]
    started = _in_force(history, campaign, at)
    budgets = [event.text for event in events if isinstance(event, HumanMessage) and event.kind == "budget"]
    experiments = int(budgets[-1]) if budgets else started.experiments
    policy = {} if started.researcher else {"policy": started.policy}
    return {"id": campaign, "seed": started.seed, "scale": started.scale, "experiments": experiments} | policy


def _in_force(history: Sequence[Envelope], campaign: str, at: int) -> CampaignStarted:
    started = in_force((one for one in history if one.campaign == campaign), at)
    assert started is not None, "the campaign is one that has started by then"
    return started


def _forked(
    changes: ForkChanges, settings: Settings, history: Sequence[Envelope], at: int, record: Mapping[str, Any]
) -> CampaignForked:
    """Return the event of the changes; a budget that the settings give sizes the new policy. Raises WrongUsage."""
    given = "experiments" in settings.model_fields_set
    experiments = settings.experiments if given else record["experiments"]
    return campaign_forked(changes, settings, _in_force(history, record["id"], at), at, experiments)
