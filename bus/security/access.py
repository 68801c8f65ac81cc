"""Who may do what on the server: each role's subjects, derived from the vocabulary.

A role may say its own events, ask memory where it asks, pull from and acknowledge to its own consumer, and hear its own
inbox. Nothing else: what no table below names, the server refuses. Only the lab itself creates, changes and deletes
streams and consumers.
https://docs.nats.io/running-a-nats-service/configuration/securing_nats/authorization
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from bus.delivery.durables import DURABLES
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CodeFailed,
    CodeRevised,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    Event,
    HumanAnswered,
    HumanMessage,
    LossPoint,
    PoolUpdated,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
)
from bus.wire import subjects
from bus.wire.subjects import DEAD, LOG, METRICS, STREAMS, TRACES

ADMIN = "lab"
"""The supervisor: it starts campaigns, provisions streams and consumers, and may do anything."""
READER = "reader"
"""Reads the log and asks memory."""
DASHBOARD = "dashboard"
"""Reads the log, the loss points and memory, and shows them to people."""
HUMAN = "human"
"""Speaks on `lab.human.<campaign>`."""

PUBLICATIONS: Mapping[str, tuple[type[Event], ...]] = {
    "director": (PoolUpdated, ProposalRequested, CampaignPaused, CampaignResumed, CampaignFinished),
    "researcher": (ProposalRejected, ProposalCreated),
    "engineer": (CodeFailed, CodeRevised, RunRequested),
    "trainer": (RunStarted, RunAnomaly, RunCompleted, RunFailed, LossPoint),
    "analyst": (AnalysisReady, RunAnomaly, CodeFailed, HumanAnswered, DiscoveryConfirmed, DiscoveryRefuted),
    "desk": (HumanMessage, ProposalCreated),
}
"""Role → the events it may say."""
QUERYING_ROLES = frozenset({"director", "researcher", "engineer", "analyst", "trainer", READER, DASHBOARD})
"""Roles that ask memory."""
FOLLOWED_STREAMS: Mapping[str, tuple[str, ...]] = {
    "memory": (LOG,),
    READER: (LOG, METRICS, TRACES, DEAD),
    DASHBOARD: (LOG, METRICS),
}
"""Role → the streams it reads from any position."""
SERVICE_ROLES = (*PUBLICATIONS, "memory", DASHBOARD)
"""Roles that run as services and say how they are (`bus.nats.micro`)."""
MICRO_VERBS = ("PING", "INFO", "STATS")
"""What a service is asked by the protocol of nats.micro."""
ROLES = (*SERVICE_ROLES, ADMIN, READER, HUMAN)
"""Everybody who has a key."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subject patterns that a role may publish on and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def inbox(role: str) -> str:
    """Return the prefix of the subjects on which a role is answered."""
    return f"_INBOX.{role}"


def permissions(role: str) -> Permissions:
    """Return what a role may do."""
    if role == ADMIN:
        return Permissions((">",), (">",))
    return Permissions(tuple(_publishes(role)), tuple(_subscribes(role)))


def _publishes(role: str) -> Iterator[str]:
    """Yield what a role may publish on; a question to the server is a publication too."""
    yield from (_said_on(kind) for kind in PUBLICATIONS.get(role, ()))
    if role in QUERYING_ROLES:
        yield subjects.query("*")
    if role == HUMAN:
        yield "lab.human.>"
    if role == READER:
        yield from (*map("$SRV.{}".format, MICRO_VERBS), "lab.status.*")
    if role in SERVICE_ROLES and role != "memory":
        yield from (f"{inbox(asker)}.>" for asker in (READER, ADMIN))
    if role == "memory":
        yield "_INBOX.>"  # its answers; by name, since leave to reply anywhere would be leave to write into the log
    if role == "memory" or role in DURABLES:
        yield subjects.dead_letter(role)
    if role in DURABLES:
        yield subjects.trace("*")
    for durable in DURABLES.get(role, ()):
        own = f"{durable.stream}.{durable.name}"
        yield from (f"$JS.API.CONSUMER.MSG.NEXT.{own}", f"$JS.API.CONSUMER.INFO.{own}", f"$JS.ACK.{own}.>")
    for stream in FOLLOWED_STREAMS.get(role, ()):
        yield from (f"$JS.API.STREAM.INFO.{stream}", f"$JS.API.DIRECT.GET.{stream}")


def _subscribes(role: str) -> Iterator[str]:
    """Yield what a role may subscribe to."""
    yield f"{inbox(role)}.>"
    if role == "memory":
        yield subjects.query("*")
    if role in SERVICE_ROLES:
        yield from (f"$SRV.{verb}{scope}" for verb in MICRO_VERBS for scope in ("", f".{role}", f".{role}.*"))
        yield f"lab.status.{role}"
    for stream in STREAMS:
        if stream.name in FOLLOWED_STREAMS.get(role, ()):
            yield from stream.subjects


def _said_on(kind: type[Event]) -> str:
    """Return the pattern of the subjects on which an event is said."""
    return "lab.metrics.*.*" if kind is LossPoint else subjects.event_filter(kind)


def authorization(public_keys: Mapping[str, str]) -> str:
    """Return the server's configuration for roles with these public keys. Whoever has no key is refused."""
    users = []
    for role, key in public_keys.items():
        allowed = {verb: {"allow": patterns} for verb, patterns in asdict(permissions(role)).items()}
        users.append(f"  # {role}\n  {json.dumps({'nkey': key, 'permissions': allowed})}")
    return "authorization {\n users = [\n" + "\n".join(users) + "\n ]\n}\n"
