"""The declaration of a role: one record from which everything else about the role derives.

    SPEC = RoleSpec(name="director", summary="opens slots", subscribes=(AnalysisReady,), publishes=(ProposalRequested,),
                    asks=True, build=Director)

A role's file holds its `SPEC`. Permissions (`bus.security.access`), durable consumers, the table of services, the
help of `move37 serve`, replay, the deployment files and the tables in the docs read it; nothing names a role a second
time.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from bus.delivery.bus import Bus
from bus.delivery.dead_letters import retry_durable
from bus.delivery.role import Role
from bus.delivery.throttle import Rate
from bus.delivery.transport import Durable
from bus.vocabulary.events import Event, Record
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.stored_message import StoredMessage


class RoleSettings(Record):
    """Settings of a role, a table `[roles.<name>]` of lab.toml. CampaignStarted records the values in force."""

    model_config = ConfigDict(title="settings of a role")


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """What a service is started with."""

    bus: Bus
    """The bus, under the role's own name."""
    home: Path
    """Folder for everything that the service writes."""
    settings: Mapping[str, Any]
    """The role's table of settings, not validated."""
    answerers: Mapping[Any, Callable[..., Awaitable[Record]]]
    """Who answers questions that are no queries, by class of question."""

    @property
    def instance(self) -> str:
        """Name of this process among those of its role."""
        return self.bus.source.rsplit("/", 1)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSpec:
    """Everything that there is to say about a role."""

    name: str
    """Durable consumers, keys, dead letters and `source` are named after it."""
    summary: str
    """What it does, in a few words that begin with a verb."""
    subscribes: tuple[type[Event], ...] = ()
    """Events of the log that it decides on."""
    publishes: tuple[type[Event], ...] = ()
    """Events that it may publish."""
    ends_with: tuple[type[Event], ...] = ()
    """Events that are its last about the experiment decided on. If the log has one that an event led to, the decision
    about that event was complete."""
    asks: bool = False
    """Whether it asks memory."""
    uses_model: bool = False
    """Whether it can use a language model, if the campaign names one."""
    holds_programs: bool = False
    """Whether it asks researcher programs, which its service then holds in the sandbox."""
    answers: bool = False
    """Whether it answers queries: memory alone does."""
    tries_sources: bool = False
    """Whether it asks trainers to put a source through the gates."""
    runs_gates: bool = False
    """Whether it answers that."""
    surveys: bool = False
    """Whether it asks every service for its vitals."""
    finds_file: Callable[[Path, str, str], Path | None] | None = None
    """Finds a file of its home that a reader asks for: (home, name, SHA-256) -> path; None if it has no such file."""
    follows: tuple[str, ...] = ()
    """Streams that it reads from any position."""
    inbox: Durable | None = None
    """Consumer that it reads in place of the log's."""
    read: Callable[[StoredMessage], Envelope] = subjects.decode_event
    """Reads a message of its inbox. Raises MalformedMessage."""
    rate: Rate | None = None
    """How much of each sender of its inbox it reads; None for everything."""
    settings: type[RoleSettings] | None = None
    """Its settings."""
    build: Callable[[], Role] | None = None
    """Returns the decider. None for a service that decides nothing."""
    serve: Callable[[ServiceContext], Awaitable[None]] | None = None
    """Runs the service; None for the actor loop around the decider."""
    concurrency: int = 1
    """Decisions under way at once in one process."""
    in_order: tuple[type[Event], ...] = ()
    """Events that are decided on one after another, in their order."""

    @property
    def needed(self) -> bool:
        """Whether a campaign can't go on without it."""
        return self.answers or self.durable is not None

    @property
    def durable(self) -> Durable | None:
        """The consumer of its inbox; None for a role without one."""
        if self.inbox or not self.subscribes:
            return self.inbox
        return Durable(self.name, subjects.LOG, tuple(subjects.event_filter(kind) for kind in self.subscribes))

    def decider(self) -> Role:
        """Return the decider of a role that has one."""
        assert self.build, f"{self.name} decides nothing"
        return self.build()

    @property
    def durables(self) -> tuple[Durable, ...]:
        """Every consumer of its own: its inbox, and its dead letters that are retried."""
        return (self.durable, retry_durable(self.name)) if self.durable else ()
