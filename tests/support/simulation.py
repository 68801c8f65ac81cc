"""Whole campaigns in virtual time, scheduled by chance: late, out of order, twice, and cut off half-way.

What runs is the lab's own: the roles, the bus with its in-memory stream (encoding, ids, subjects allowed once), memory
with its file, vectors and cognition base. Only the loop of processes is simulated here, and the trainer's edge answers
at once. Nothing waits and no clock is read, so that a seed is a campaign (`tests.support.simulated_campaigns`).
"""

from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import Any, TypeVar, cast
from unittest.mock import patch

from agents import Analyst, Desk, Director, Engineer, Researcher
from agents.admission.static_check import check
from agents.design import render
from bus.delivery.bus import Bus
from bus.delivery.giving_up import GIVE_UP_ORDINAL
from bus.delivery.inbox import MAX_DELIVERIES
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post, Role
from bus.vocabulary.events import CampaignStarted, Event, Record
from bus.vocabulary.queries import AskExperiments, AskStanding, CampaignStatus, Experiments, Query
from bus.vocabulary.questions import Question
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN
from bus.wire.stored_message import StoredMessage
from lab.runtime.roles import human_envelope
from memory.cognition import CognitionBase, load_entries
from memory.queries import Knowledge, answer
from memory.retrieval.embedding import HashEmbedder
from memory.retrieval.ideas import MotivationIndex
from memory.store import Store
from tests.support import instant_trainer
from tests.support.endings import ends
from trainer.role import TrainerRole
from trainer.run.questions import Prepare

T = TypeVar("T")
Cue = tuple[Callable[[Envelope], bool], str]
"""What a person says once an event that passes the test is in the log."""

ACK_WAIT = 10.0
"""Virtual seconds after which a message whose process died comes again."""
MOST_STEPS = 20_000
"""Steps after which a campaign is thought never to come to rest."""


class Archive:
    """A log and the memory that reads it, for campaigns one after another."""

    def __init__(self, folder: Path) -> None:
        """Begin empty, with memory's file in `folder`."""
        self._file = folder / "memory.duckdb"
        self._transport = MemoryTransport()
        self._embedder = HashEmbedder()
        self._library = CognitionBase(load_entries(), self._embedder)
        self.log: list[Envelope] = []
        self._open()

    def _open(self) -> None:
        self.store = Store(self._file)
        self._ideas = MotivationIndex(self.store, self._embedder)

    def say(self, role: str, post: Post, campaign: str, cause: Envelope | None, ordinal: int) -> list[Envelope]:
        """Publish as a role does; return what that adds to the log, nothing where it had been said."""
        _at_once(Bus(self._transport, role).publish(post, campaign, cause, ordinal))
        return self._learn()

    def answer(self, query: Query) -> Record:
        """Answer as memory does."""
        return answer(Knowledge(self.store, self._ideas, self._library), query)

    def crash(self) -> None:
        """Lose what memory has not written; it begins again and reads the log on from what its file holds."""
        self.store._database.close()
        self._open()
        self._learn()

    def _learn(self) -> list[Envelope]:
        """Read what the stream has and the log not yet, and let memory read on from where it stands."""
        new = [
            subjects.decode_event(stored) for stored in self._transport._streams[subjects.LOG].messages[len(self.log) :]
        ]
        self.log += new
        assert self.store.apply(self.log[self.store.position :]) == []
        return new


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run what has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong; the default is a quiet day."""

    cut: float = 0.0
    """Chance that a process dies before it acknowledges, after any number of its posts."""
    twin: float = 0.0
    """Chance that a message is handed to a second process while the first works on it."""
    spread: float = 0.0
    """Powers of ten between the quickest and the slowest role; without it every step takes equally long."""
    amnesia: float = 0.0
    """Chance that memory dies upon an event."""
    surrender: float = 0.0
    """Chance that a decision of the director's is given up."""


STORM = Faults(cut=0.15, twin=0.1, spread=3.0, amnesia=0.0005)


@dataclass(slots=True)
class Work:
    """A message in a process's hands."""

    role: Role
    said: Envelope
    deliveries: int = 1
    posts: deque[tuple[int, Post]] | None = None
    """What is left to say, each with its ordinal; None before the decision."""
    cut: int | None = None
    """How many posts are left when the process dies."""


@dataclass
class Laboratory:
    """One campaign: its roles, its agenda and its dice."""

    archive: Archive
    campaign: str
    dice: Random
    faults: Faults = STORM
    sound_baselines: bool = False
    cues: list[Cue] = field(default_factory=list)
    now: float = 0.0
    """Virtual seconds."""

    def __post_init__(self) -> None:
        """Bring in one of each role, each at its own pace."""
        self.begin = self.archive.store.position
        self.roles: list[Role] = [Director(), Researcher(), Engineer(), Analyst(), TrainerRole()]
        self._desk = Desk()
        self._pace = {role.name: 10 ** self.dice.uniform(-self.faults.spread, 0) for role in (*self.roles, self._desk)}
        self._agenda: list[tuple[float, int, Work]] = []
        self._booked = self._spoken = 0
        self._decided: dict[tuple[str, str], Sequence[Post]] = {}

    @property
    def log(self) -> list[Envelope]:
        """The campaign's events."""
        return self.archive.log[self.begin :]

    def start(self, started: CampaignStarted) -> None:
        """Say that the campaign begins, as the lab does."""
        self._publish("director", Post(CAMPAIGN, started), None, 0)

    def speak(self, text: str) -> None:
        """Let a person say something; the desk reads it some time."""
        self._spoken += 1
        self._book(
            Work(
                self._desk,
                human_envelope(StoredMessage(self._spoken, subjects.human_inbox(self.campaign), text.encode())),
            )
        )

    def run(self) -> None:
        """Let everything on the agenda happen, until nothing is on it."""
        while self._agenda:
            assert self._booked < MOST_STEPS, "the campaign never comes to rest"
            self.now, _, work = heappop(self._agenda)
            self._advance(work)

    def _book(self, work: Work, wait: float | None = None) -> None:
        """Put a step on the agenda, after the role's own time where no other is given."""
        self._booked += 1
        if wait is None:
            wait = self._pace[work.role.name] * (self.dice.expovariate(1) if self.faults.spread else 1)
        heappush(self._agenda, (self.now + wait, self._booked, work))

    def _advance(self, work: Work) -> None:
        """Decide; or say one more post; or die, or acknowledge."""
        if work.posts is None:
            given_up = self._surrendered(work)
            work.posts = deque(enumerate(self._decide(work)) if given_up is None else given_up)
            self._tempt(work, len(work.posts))
        elif work.cut == len(work.posts):
            self._book(Work(work.role, work.said, work.deliveries + 1), ACK_WAIT)
            return
        elif work.posts:
            ordinal, post = work.posts.popleft()
            self._publish(work.role.name, post, work.said, ordinal)
        else:
            return
        self._book(work)

    def _surrendered(self, work: Work) -> list[tuple[int, Post]] | None:
        """Draw whether a decision is given up, and return what is said in its place; None where it is made."""
        chance = self.faults.surrender if isinstance(work.role, Director) else 0.0
        if not chance or self.dice.random() >= chance:
            return None
        return list(enumerate(work.role.give_up(work.said, "ill"), GIVE_UP_ORDINAL))

    def _tempt(self, work: Work, posts: int) -> None:
        """Draw what goes wrong with a decision, as long as its message is not given up for it."""
        if work.deliveries >= MAX_DELIVERIES:
            return
        if self.dice.random() < self.faults.cut:
            work.cut = self.dice.randrange(posts + 1)
        elif self.dice.random() < self.faults.twin:
            self._book(Work(work.role, work.said, work.deliveries + 1))

    def _decide(self, work: Work) -> Sequence[Post]:
        """Drive a decision; made again, it must be the same."""
        posts = list(self._driven(work.said, work.role.decide(work.said)))
        first = self._decided.setdefault((work.role.name, work.said.id), posts)
        assert posts == first, f"{work.role.name} decides otherwise upon {work.said.type} {work.said.experiment}"
        return posts

    def _driven(self, envelope: Envelope, decision: Decision) -> Iterator[Post]:
        """Yield the posts of a decision, answering what it asks."""
        reply: Record | None = None
        try:
            while True:
                asked = decision.send(reply)
                if isinstance(asked, Post):
                    yield asked
                reply = None if isinstance(asked, Post) else self._answer(envelope, asked)
        except StopIteration as stop:
            yield from stop.value or ()

    def _answer(self, envelope: Envelope, asked: Question) -> Record:
        if isinstance(asked, Query):
            return self.archive.answer(asked)
        if isinstance(asked, Prepare) and self._vetoed(envelope):
            return instant_trainer.unwanted(envelope)
        edge = instant_trainer.prepare if isinstance(asked, Prepare) else instant_trainer.train
        return edge(envelope, sound_baselines=self.sound_baselines)

    def _vetoed(self, envelope: Envelope) -> bool:
        """Say whether an experiment was vetoed before its run was asked for; such a run never begins."""
        rows = AskExperiments(campaign=self.campaign, ids=(envelope.experiment,), at=envelope.seq)
        return any(row.vetoed for row in cast("Experiments", self.archive.answer(rows)).rows)

    def _publish(self, role: str, post: Post, cause: Envelope | None, ordinal: int) -> None:
        """Add a post to the log, hand it to who hears it, and let people have their say."""
        if self.dice.random() < self.faults.amnesia:
            self.archive.crash()
        for said in self.archive.say(role, post, self.campaign, cause, ordinal):
            for one in self.roles:
                if isinstance(said.event, one.handles):
                    self._book(Work(one, said))
            for cue in [cue for cue in self.cues if cue[0](said)]:
                self.cues.remove(cue)
                self.speak(cue[1])

    def events(self, kind: type[Event]) -> list[Envelope]:
        """Return the log's events of a kind."""
        return [said for said in self.log if type(said.event) is kind]

    def standing(self, at: int = 0) -> CampaignStatus:
        """Return where the campaign stood at a position, or stands at last."""
        return cast("CampaignStatus", self.archive.answer(AskStanding(campaign=self.campaign, at=at)))

    def ends(self) -> Counter[str]:
        """Count the events that end each experiment."""
        return ends(self.log)


@contextmanager
def remembering() -> Iterator[None]:
    """Remember verdicts on sources and renderings of designs: decisions that are made again ask for the same ones."""
    with (
        patch("agents.roles.engineer.check", lru_cache(maxsize=None)(check)),
        patch("agents.search.breeding.render", lru_cache(maxsize=None)(render)),
    ):
        yield
