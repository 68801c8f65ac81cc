"""The rights that each role and each client is to have on the server, as rules apart from the code that grants them.

The event types that a role publishes come from its declaration.
"""

from bus.delivery.transport import Durable
from bus.vocabulary.events import EVENT_TYPES
from bus.wire.subjects import FILES, HUMAN, LOG, RETRY, STREAMS
from lab.roster import role_specs

DECIDERS = ("director", "researcher", "engineer", "trainer", "analyst", "desk")
SERVES = (*DECIDERS, "memory", "dashboard")
WRITERS = ("researcher", "engineer")  # they ask trainers to put a source through the gates
PERSON = "person.ada"
READERS = ("reader", PERSON)
ROLES = (*SERVES, "lab", "human", *READERS)
STREAM_VERBS = ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE")
FOLLOWED: dict[str, set[str]] = {
    "memory": {"LAB_EVENTS"},
    **{reader: {"LAB_EVENTS", "LAB_METRICS", "LAB_TRACES", "LAB_DEAD", FILES} for reader in READERS},
    "dashboard": {"LAB_EVENTS", "LAB_METRICS"},
}
SUBJECTS = {stream.name: stream.subjects[0] for stream in STREAMS}
Rights = dict[str, bool]
"""Subject → whether a role may use it."""


def published_types(role: str) -> set[str]:
    """Return the event types that a role may publish on the log by its declaration."""
    spec = role_specs().get(role)
    return {kind.__name__ for kind in spec.publishes} - {"LossPoint"} if spec else set()


def durable_of(role: str) -> Durable:
    """Return a role's consumer."""
    durable = role_specs()[role].durable
    assert durable
    return durable


def publications(role: str, types: set[str]) -> Rights:
    """Return every tested subject to publish on, and whether a role that publishes these types may use it."""
    admin = role == "lab"
    rights = {f"lab.events.c.e0001.{kind}": admin or kind in types for kind in EVENT_TYPES if kind != "LossPoint"}
    rights |= {"lab.metrics.c.e0001-a0": admin or role == "trainer", "lab.traces.abc": admin or role in DECIDERS}
    rights |= {
        "lab.human.c": admin or role == "human",
        "lab.human.c.ada": admin or role == PERSON,
        "lab.human.c.bob": admin,
        "lab.human": admin,
        "elsewhere": admin,
        "$SYS.REQ.SERVER.PING": admin,
    }
    rights |= {f"lab.dead.{owner}": admin or (role == owner and owner in (*DECIDERS, "memory")) for owner in ROLES}
    rights |= {f"lab.retry.{owner}": admin for owner in ROLES}
    asks = {"director", "researcher", "engineer", "analyst", "trainer", "desk", "dashboard", *READERS}
    rights |= {"lab.query.standing": admin or role in asks, "lab.query.experiments": admin or role in asks}
    rights |= {f"_INBOX.{asker}.x": admin or role == "memory" for asker in ROLES}
    rights |= {f"_INBOX.{asker}.x": admin or role in SERVES for asker in ("lab", "dashboard", *READERS)}
    rights |= {f"_INBOX.{writer}.x": admin or role in {"memory", "trainer"} for writer in WRITERS}
    rights["lab.gates"] = admin or role in WRITERS
    rights |= {f"$SRV.{verb}": admin or role in READERS for verb in ("PING", "INFO", "STATS")}
    rights |= {"$SRV.STATS": admin or role in {"dashboard", *READERS}, "lab.drain.director": admin}
    rights |= {"lab.status.director": admin or role in READERS}
    rights |= {f"$O.LAB_FILES.{kind}.x": admin or role == "trainer" for kind in ("C", "M")}
    rights |= dict.fromkeys(("lab.files.trainer", "lab.files.trainer.x"), admin or role in READERS)
    for stream in SUBJECTS:
        rights |= {f"$JS.API.STREAM.{verb}.{stream}": admin for verb in STREAM_VERBS}
        rights |= {f"$JS.API.CONSUMER.{verb}.{stream}": admin for verb in ("CREATE", "LIST", "NAMES")}
        follows = admin or stream in FOLLOWED.get(role, ())
        rights |= {f"$JS.API.STREAM.INFO.{stream}": follows, f"$JS.API.DIRECT.GET.{stream}": follows}
        rights[f"$JS.API.STREAM.MSG.GET.{stream}"] = admin or (stream == LOG and role in DECIDERS)
        for name in (*DECIDERS, "memory", "stranger", *(f"{decider}-retry" for decider in (*DECIDERS, "memory"))):
            consumer = f"{stream}.{name}"
            inbox = (HUMAN if role == "desk" else LOG, role)
            may = admin or (role in DECIDERS and (stream, name) in (inbox, (RETRY, f"{role}-retry")))
            rights |= {f"$JS.API.CONSUMER.{verb}.{consumer}": may for verb in ("MSG.NEXT", "INFO")}
            rights |= {f"$JS.API.CONSUMER.{verb}.{consumer}": admin for verb in ("CREATE", "DURABLE.CREATE", "DELETE")}
            rights |= {f"$JS.API.CONSUMER.CREATE.{consumer}.lab.events.>": admin, f"$JS.ACK.{consumer}.1.1.1.1.0": may}
    return rights


def subscriptions(role: str) -> Rights:
    """Return every tested subject to subscribe to, and whether the role may use it."""
    admin = role == "lab"
    rights = {subject: admin or name in FOLLOWED.get(role, ()) for name, subject in SUBJECTS.items()}
    rights |= dict.fromkeys(("lab.files.trainer", "lab.files.trainer.x", "lab.gates"), admin or role == "trainer")
    rights |= dict.fromkeys((">", "*", "lab.>", "_INBOX.>", "$JS.>", "$JS.API.>", "$SYS.>"), admin)
    rights |= {"lab.query.*": admin or role == "memory", "lab.query.standing": admin or role == "memory"}
    for service in SERVES:
        own = (f"$SRV.STATS.{service}", f"$SRV.PING.{service}.X", f"lab.status.{service}", f"lab.drain.{service}")
        rights |= dict.fromkeys(own, admin or role == service)
    rights |= {f"$SRV.{verb}": admin or role in SERVES for verb in ("PING", "INFO", "STATS")} | {"$SRV.>": admin}
    return rights | {f"_INBOX.{owner}.>": admin or role == owner for owner in ROLES}
