"""Access: what each role and each client may do on the server, derived from the roles' declarations.

A role may publish its own events, ask memory if it asks, pull from and acknowledge to its own consumers, and
subscribe to its own inbox. The server refuses everything else. Only the lab creates, changes and deletes streams and
consumers. https://docs.nats.io/running-a-nats-service/configuration/securing_nats/authorization
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from bus.delivery.role_spec import RoleSpec
from bus.vocabulary.events import Event, LossPoint
from bus.wire import subjects
from bus.wire.subjects import DEAD, FILES, LOG, METRICS, STREAMS, TRACES

ADMIN = "lab"
"""The supervisor: it starts campaigns, provisions streams and consumers, and may do anything."""
READER = "reader"
"""Reads the log, asks memory and asks services for their vitals."""
HUMAN = "human"
"""The owner: publishes on `lab.human.<campaign>`."""
PERSON = "person."
"""Begins the name of a person's key: `person.ada` publishes on `lab.human.<campaign>.ada`, and reads all that is
recorded."""
SURVEYORS = (READER, ADMIN, PERSON.rstrip("."))
"""Those whom every service tells its vitals; people share the beginning of their inboxes' names."""
CLIENTS = (ADMIN, READER, HUMAN)
"""Holders of a key that are no roles."""
SURVEY_VERB = "STATS"
MICRO_VERBS = ("PING", "INFO", SURVEY_VERB)
"""Requests of the nats.micro protocol."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subject patterns that a key may publish on and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def inbox(name: str) -> str:
    """Return the prefix of the subjects on which a role or client receives replies."""
    return f"_INBOX.{name}"


def person_of(key: str) -> str:
    """Return the person whose key this is; '' for a role's or a client's, and for the owner's."""
    return key.removeprefix(PERSON) if key.startswith(PERSON) else ""


def permissions(role: RoleSpec, surveyors: tuple[str, ...] = SURVEYORS, triers: tuple[str, ...] = ()) -> Permissions:
    """Return what a role may do; `surveyors` are those whom it tells its vitals, `triers` those who check sources."""
    told = surveyors + triers * role.runs_gates
    return Permissions(tuple(_role_publishes(role, told)), tuple(_role_subscribes(role)))


def client_permissions() -> dict[str, Permissions]:
    """Return what each client may do, by its name."""
    human = Permissions((subjects.human_inbox("*"),), (f"{inbox(HUMAN)}.>",))
    return {ADMIN: Permissions((">",), (">",)), READER: _reader(READER), HUMAN: human}


def _reader(key: str, *speaks_on: str) -> Permissions:
    """Return the rights to read all that is recorded, and to publish on these subjects."""
    followed = (LOG, METRICS, TRACES, DEAD, FILES)
    requests = (
        subjects.query("*"),
        *map("$SRV.{}".format, MICRO_VERBS),
        "lab.status.*",
        subjects.file_question("*"),
        subjects.file_upload("*", "*"),
        *_follow_requests(followed),
    )
    return Permissions((*speaks_on, *requests), (f"{inbox(key)}.>", *_followed_subjects(followed)))


def all_permissions(roles: Mapping[str, RoleSpec], people: Iterable[str] = ()) -> dict[str, Permissions]:
    """Return what every holder of a key may do: roles first, then clients, then people by their names."""
    surveyors = (*SURVEYORS, *(name for name, role in roles.items() if role.surveys))
    triers = tuple(name for name, role in roles.items() if role.tries_sources)
    spoken = {PERSON + name: _reader(PERSON + name, subjects.human_inbox("*", name)) for name in people}
    return {name: permissions(role, surveyors, triers) for name, role in roles.items()} | client_permissions() | spoken


def authorization(public_keys: Mapping[str, str], roles: Mapping[str, RoleSpec]) -> str:
    """Return the server's configuration for roles and clients with these public keys. No other key is let in."""
    rules, users = all_permissions(roles, filter(None, map(person_of, public_keys))), []
    for name, key in public_keys.items():
        allowed = {verb: {"allow": patterns} for verb, patterns in asdict(rules[name]).items()}
        users.append(f"  # {name}\n  {json.dumps({'nkey': key, 'permissions': allowed})}")
    return "authorization {\n users = [\n" + "\n".join(users) + "\n ]\n}\n"


def _role_publishes(role: RoleSpec, told: tuple[str, ...]) -> Iterator[str]:
    """Yield the patterns that a role may publish on; `told` are those to whose inboxes it replies.

    A request to the server is a publication too.
    """
    yield from (_event_pattern(kind) for kind in role.publishes)
    if role.asks:
        yield subjects.query("*")
    if role.tries_sources:
        yield subjects.GATES
    if role.surveys:
        yield f"$SRV.{SURVEY_VERB}"
    if role.answers:  # its replies; by this prefix alone, since leave to reply anywhere would allow writing to the log
        yield "_INBOX.>"
    else:
        yield from (f"{inbox(asker)}.>" for asker in told)
    if role.finds_file:
        yield from (subjects.file_chunks("*"), f"$O.{subjects.FILES_BUCKET}.M.*")
    if role.answers or role.durable:
        yield subjects.dead_letter(role.name)
    if role.durable:
        yield subjects.trace("*")
        yield wrapped_get(LOG)
    for durable in role.durables:
        consumer = f"{durable.stream}.{durable.name}"
        yield from (f"$JS.API.CONSUMER.{verb}.{consumer}" for verb in ("MSG.NEXT", "INFO"))
        yield f"$JS.ACK.{consumer}.>"
    yield from _follow_requests(role.follows)


def _role_subscribes(role: RoleSpec) -> Iterator[str]:
    """Yield the patterns that a role may subscribe to."""
    yield f"{inbox(role.name)}.>"
    if role.answers:
        yield subjects.query("*")
    if role.runs_gates:
        yield subjects.GATES
    if role.finds_file:
        yield from (subjects.file_question(role.name), subjects.file_upload(role.name, "*"))
    scopes = ("", f".{role.name}", f".{role.name}.*")
    yield from (f"$SRV.{verb}{scope}" for verb in MICRO_VERBS for scope in scopes)
    yield from (f"lab.status.{role.name}", subjects.drain(role.name))
    yield from _followed_subjects(role.follows)


def _follow_requests(streams: tuple[str, ...]) -> Iterator[str]:
    """Yield the requests by which streams are read from any position."""
    for stream in streams:
        yield from (f"$JS.API.STREAM.INFO.{stream}", direct_get(stream))


def direct_get(stream: str) -> str:
    """Return the request by which messages of a stream are read as they are stored.

    The server puts such a message on whatever subject the request names for the reply. So nobody who writes to a stream
    may ask for its messages so.
    """
    return f"$JS.API.DIRECT.GET.{stream}"


def wrapped_get(stream: str) -> str:
    """Return the request by which one message of a stream is read inside JSON of the server."""
    return f"$JS.API.STREAM.MSG.GET.{stream}"


def _followed_subjects(streams: tuple[str, ...]) -> Iterator[str]:
    """Yield the subjects that streams store."""
    for stream in STREAMS:
        if stream.name in streams:
            yield from stream.subjects


def _event_pattern(kind: type[Event]) -> str:
    """Return the pattern of the subjects on which an event is published."""
    return "lab.metrics.*.*" if kind is LossPoint else subjects.event_filter(kind)
