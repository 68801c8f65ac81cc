"""Whole campaigns in virtual time, scheduled at random, with late, reordered and repeated messages and with crashes.

The lab's own code runs: the roles, the bus with its in-memory stream (encoding, ids, subjects allowed once), memory
with its file, vectors and cognition base. Only the processes are simulated, and the trainer's edge answers at once.
No code waits or reads a clock, so a seed determines a campaign (`tests.support.simulated_campaigns`).
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heappop, heappush
from random import Random
from typing import cast
from unittest.mock import patch

from agents.admission.static_check import check
from agents.design import render
from bus.delivery.giving_up import GIVE_UP_ORDINAL
from bus.delivery.inbox import MAX_DELIVERIES
from bus.delivery.role import Decision, Post, Role, SupportsGiveUp, one_by_one, ordinals
from bus.delivery.role_spec import RoleSpec
from bus.vocabulary.events import CampaignForked, CampaignStarted, Event, Record
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiments, Query
from bus.vocabulary.questions import Question
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN
from bus.wire.stored_message import StoredMessage
from lab.roster import decider_specs, role_spec
from tests.support import instant_trainer
from tests.support.archive import Archive
from tests.support.endings import ends
from trainer.run.questions import Prepare

Cue = tuple[Callable[[Envelope], bool], str]
"""A condition on an event, and the text that a person publishes after the first event that meets it."""

ACK_WAIT_S = 10.0
"""Virtual seconds after which the message of a dead process is delivered again."""
MAX_STEPS = 20_000
"""Steps after which a simulation fails as endless."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The chances of faults; by default there are none."""

    death: float = 0.0
    """Chance that a process dies before it acknowledges its message; it has published any number of its posts."""
    twin: float = 0.0
    """Chance that a message is delivered to a second process while the first handles it."""
    spread: float = 0.0
    """Powers of ten between the fastest and the slowest role; with 0 every step takes equally long."""
    memory_crash: float = 0.0
    """Chance that memory crashes before an event is published."""
    given_up: float = 0.0
    """Chance that a decision of the director is given up."""


STORM = Faults(death=0.15, twin=0.1, spread=3.0, memory_crash=0.0005)


@dataclass(frozen=True, slots=True)
class SimulatedRole:
    """A role and its declaration."""

    spec: RoleSpec
    role: Role


@dataclass(slots=True)
class SimulatedDelivery:
    """A message while a process handles it."""

    participant: SimulatedRole
    envelope: Envelope
    count: int = 1
    """How often it has been delivered."""
    posts: deque[tuple[int | str, Post]] | None = None
    """The remaining posts, each with its ordinal or key; None before the decision."""
    dies_with: int | None = None
    """How many posts remain when the process dies."""


@dataclass
class Laboratory:
    """One campaign: its roles, its schedule and its random draws."""

    archive: Archive
    campaign: str
    random: Random
    faults: Faults = STORM
    sound_baselines: bool = False
    cues: list[Cue] = field(default_factory=list)
    now: float = 0.0
    """Virtual seconds."""

    def __post_init__(self) -> None:
        """Start one process of each role, each at its own speed."""
        self.first_position = self.archive.store.position
        self.roles = [simulated(spec) for spec in decider_specs().values()]
        self._desk = simulated(role_spec("desk"))
        self._step_s = {
            participant.spec.name: 10 ** self.random.uniform(-self.faults.spread, 0)
            for participant in (*self.roles, self._desk)
        }
        self._schedule: list[tuple[float, int, SimulatedDelivery]] = []
        self._scheduled = self._messages = 0
        self.decided: dict[tuple[str, str], Sequence[Post]] = {}
        """(role, event id) → the posts of the decision."""

    @property
    def log(self) -> list[Envelope]:
        """The campaign's events."""
        return self.archive.log[self.first_position :]

    def replace_role(self, name: str, role: Role) -> None:
        """Use another decider for a role."""
        self.roles = [
            SimulatedRole(simulated_role.spec, role) if simulated_role.spec.name == name else simulated_role
            for simulated_role in self.roles
        ]

    def start(self, started: CampaignStarted) -> None:
        """Publish the campaign's start, as the lab does."""
        self._publish("director", Post(CAMPAIGN, started), None, 0)

    def speak(self, text: str) -> None:
        """Publish a person's message; the desk reads it some time later."""
        self._messages += 1
        stored = StoredMessage(self._messages, subjects.human_inbox(self.campaign), text.encode())
        self._enqueue(SimulatedDelivery(self._desk, self._desk.spec.read(stored)))

    def fork(self, forked: CampaignForked) -> None:
        """Publish a change of what steers the campaign, as `move37 fork` does."""
        self._publish("director", Post(CAMPAIGN, forked), None, f"at {forked.at}")

    def run(self, until: int | None = None) -> None:
        """Carry out the schedule until it is empty, or until the log has so many events."""
        while self._schedule and (until is None or len(self.log) < until):
            assert self._scheduled < MAX_STEPS, "the campaign never comes to rest"
            self.now, _, delivery = heappop(self._schedule)
            self._advance(delivery)

    def _enqueue(self, delivery: SimulatedDelivery, wait_s: float | None = None) -> None:
        """Schedule the next step of a delivery, by default after the role's own time."""
        self._scheduled += 1
        if wait_s is None:
            chance = self.random.expovariate(1) if self.faults.spread else 1
            wait_s = self._step_s[delivery.participant.spec.name] * chance
        heappush(self._schedule, (self.now + wait_s, self._scheduled, delivery))

    def _advance(self, delivery: SimulatedDelivery) -> None:
        """Decide, publish one more post, die, or acknowledge."""
        if delivery.posts is None:
            posts = self._give_up(delivery)
            if posts is None:
                decided = self._decide(delivery)
                posts = list(zip(ordinals(decided), decided, strict=True))
            delivery.posts = deque(posts)
            self._draw_fault(delivery, len(delivery.posts))
        elif delivery.dies_with == len(delivery.posts):
            self._enqueue(SimulatedDelivery(delivery.participant, delivery.envelope, delivery.count + 1), ACK_WAIT_S)
            return
        elif delivery.posts:
            ordinal, post = delivery.posts.popleft()
            self._publish(delivery.participant.spec.name, post, delivery.envelope, ordinal)
        else:
            return
        self._enqueue(delivery)

    def _give_up(self, delivery: SimulatedDelivery) -> list[tuple[int | str, Post]] | None:
        """Draw whether the director gives its decision up, and return the fallback posts then; None if it decides."""
        role, name = delivery.participant.role, delivery.participant.spec.name
        chance = self.faults.given_up if name == "director" else 0.0
        if not chance or self.random.random() >= chance:
            return None
        assert isinstance(role, SupportsGiveUp)
        return list(enumerate(role.give_up(delivery.envelope, "ill"), GIVE_UP_ORDINAL))

    def _draw_fault(self, delivery: SimulatedDelivery, posts: int) -> None:
        """Draw the faults of a decision, except for the last delivery of its message."""
        if delivery.count >= MAX_DELIVERIES:
            return
        if self.random.random() < self.faults.death:
            delivery.dies_with = self.random.randrange(posts + 1)
        elif self.random.random() < self.faults.twin:
            self._enqueue(SimulatedDelivery(delivery.participant, delivery.envelope, delivery.count + 1))

    def _decide(self, delivery: SimulatedDelivery) -> Sequence[Post]:
        """Make a decision; if it was made before, its posts must be the same."""
        envelope, name = delivery.envelope, delivery.participant.spec.name
        posts = list(self._posts(envelope, delivery.participant.role.decide(envelope)))
        expected = self.decided.setdefault((name, envelope.id), posts)
        assert posts == expected, f"{name} decides otherwise on {envelope.type} {envelope.experiment}"
        return posts

    def _posts(self, envelope: Envelope, decision: Decision) -> Iterator[Post]:
        """Yield the posts of a decision and answer its questions."""
        reply: Record | None = None
        steps = one_by_one(decision)
        try:
            while True:
                step = steps.send(reply)
                if isinstance(step, Post):
                    yield step
                reply = None if isinstance(step, Post) else self._answer(envelope, step)
        except StopIteration as stop:
            yield from stop.value or ()

    def _answer(self, envelope: Envelope, question: Question) -> Record:
        if isinstance(question, Query):
            return self.archive.answer(question)
        if isinstance(question, Prepare) and self._was_vetoed(envelope):
            return instant_trainer.refuse_vetoed(envelope)
        edge = instant_trainer.prepare if isinstance(question, Prepare) else instant_trainer.train
        return edge(envelope, sound_baselines=self.sound_baselines)

    def _was_vetoed(self, envelope: Envelope) -> bool:
        """Return whether an experiment was vetoed before its run was requested; the trainer starts no such run."""
        query = AskExperiments(campaign=self.campaign, ids=(envelope.experiment,), at=envelope.seq)
        return any(row.vetoed for row in cast("Experiments", self.archive.answer(query)).rows)

    def _publish(self, role: str, post: Post, cause: Envelope | None, ordinal: int | str) -> None:
        """Publish a post, deliver the new events to their subscribers, and publish the texts whose cues they are."""
        if self.random.random() < self.faults.memory_crash:
            self.archive.crash_memory()
        for envelope in self.archive.publish(role, post, self.campaign, cause, ordinal):
            for participant in self.roles:
                if isinstance(envelope.event, participant.spec.subscribes):
                    self._enqueue(SimulatedDelivery(participant, envelope))
            for cue in [cue for cue in self.cues if cue[0](envelope)]:
                self.cues.remove(cue)
                self.speak(cue[1])

    def events(self, kind: type[Event]) -> list[Envelope]:
        """Return the log's events of a type."""
        return [envelope for envelope in self.log if type(envelope.event) is kind]

    def status(self, at: int = 0) -> CampaignStatus:
        """Return the campaign's status at a position, by default at the last one."""
        return cast("CampaignStatus", self.archive.answer(AskCampaignStatus(campaign=self.campaign, at=at)))

    def ends(self) -> Counter[str]:
        """Count the events that end each experiment."""
        return ends(self.log)


def simulated(spec: RoleSpec) -> SimulatedRole:
    """Return a role as its declaration builds it."""
    assert spec.build, f"{spec.name} has no decider"
    return SimulatedRole(spec, spec.build())


@contextmanager
def caching() -> Iterator[None]:
    """Cache verdicts on sources and renderings of designs: repeated decisions need the same ones."""
    with (
        patch("agents.roles.engineer.check", lru_cache(maxsize=None)(check)),
        patch("agents.search.spaces.mixers.render", lru_cache(maxsize=None)(render)),
    ):
        yield
