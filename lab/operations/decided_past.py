"""What a log tells of the decisions that were complete at a position, so that a fork from there repeats none."""

import json
from collections.abc import Collection, Mapping, Sequence

from agents.roles.desk import message_id
from bus.delivery.giving_up import GIVE_UP_ORDINAL
from bus.delivery.replay import replay_role
from bus.delivery.role_spec import RoleSpec
from bus.delivery.traces import Traces
from bus.wire.envelope import Envelope
from bus.wire.ids import derive

MAX_REFUSED_MESSAGES = 10_000
"""The search for the desk's last message ends after so many inbox positions without an event in the log."""


def decided_events(spec: RoleSpec, history: Sequence[Envelope], at: int, traces: Traces) -> set[str]:
    """Return the ids of the events that a role had fully decided by a position.

    A decision is complete if a replay finds nothing missing. If today's role would decide otherwise, the log tells: a
    decision is complete if it published events up to the position and none after it.
    """
    name, past = spec.name, [envelope for envelope in history if envelope.seq <= at]
    published = {envelope.cause for envelope in past if envelope.role == name}
    continued = {envelope.cause for envelope in history if envelope.role == name and envelope.seq > at}
    ids = {envelope.id for envelope in past}
    return {
        envelope.id
        for envelope, difference in replay_role(spec, past, traces)
        if difference is None or envelope.id in published - continued
    } | {envelope.id for envelope in past if derive(envelope.id, name, GIVE_UP_ORDINAL) in ids}


def is_of_decided(trace: bytes, decided: Mapping[str, Collection[str]]) -> bool:
    """Return True if a trace is of a complete decision; an incomplete one is decided again and writes a new trace."""
    body = json.loads(trace)
    return body["cause"] in decided.get(body["role"], ())


def last_human_position(campaign: str, ids: Collection[str]) -> int:
    """Return the inbox position of the last human message in the log, 0 if there is none.

    The desk derives its events' ids from the inbox position (`agents.roles.desk.message_id`): the first one of a
    message that it took, or the reply to one that it refused. New messages to the fork must come after that position.
    """
    position, last = 0, 0
    while position < last + MAX_REFUSED_MESSAGES:
        position += 1
        message = message_id(campaign, position)
        if any(derive(message, "desk", ordinal) in ids for ordinal in (0, GIVE_UP_ORDINAL)):
            last = position
    return last
