"""Whole campaigns of all roles over one log, scheduled by chance: late, twice, cut off half-way and out of order.

Memory's own answers are used; only the trainer is scripted, and likeness of texts is counted in words. The scheduler
holds everything that is on its way (a message to a role, or a decision's remaining posts) and lets a random one go on,
so that every interleaving of several processes per role can happen.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from agents import Analyst, Desk, Director, Engineer, Researcher
from agents.static_check import check
from bus.bus import Bus
from bus.envelope import Envelope
from bus.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignResumed,
    CampaignStarted,
    CodeFailed,
    Event,
    HumanAnswered,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    Spoken,
)
from bus.ids import CAMPAIGN, derive, experiment_id, source_hash
from bus.queries import AskStanding, CognitionEntry, Query, Standing
from bus.role import Decision, Post, Role
from memory.answers import answer
from memory.course import Course
from memory.projections import Proposal
from memory.store import Store

BASELINES = ("linear-attention", "gla", "deltanet")
ENTRIES = (
    CognitionEntry(
        key="delta",
        title="Delta rule",
        scenario="keys interfere, memory never erases",
        algorithm="delta update",
        history="",
    ),
    CognitionEntry(
        key="decay", title="Forget gates", scenario="history weighed alike", algorithm="a decay gate", history=""
    ),
)


@lru_cache(maxsize=4096)
def words(text: str) -> Counter[str]:
    """Count the words of a text."""
    return Counter(text.lower().split())


def likeness(a: str, b: str) -> float:
    """Return the cosine similarity of two texts' word counts."""
    one, other = words(a), words(b)
    norm = sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return sum(n * other[word] for word, n in one.items()) / norm if norm else 0.0


class CountedIdeas:
    """Likeness of motivations by their words."""

    def novelty(self, course: Course, proposal: Proposal) -> float | None:
        """Return 1 − the highest likeness to an earlier motivation."""
        earlier = [p for p in course.proposals if p.seq < proposal.seq]
        return 1.0 - max((likeness(p.motivation, proposal.motivation) for p in earlier), default=0.0)

    def nearest(self, course: Course, text: str, count: int, k: int) -> list[tuple[Proposal, float]]:
        """Return the k likest of the first proposals."""
        found = [(p, likeness(text, p.motivation)) for p in course.proposals[:count]]
        return sorted(found, key=lambda pair: -pair[1])[:k]

    def similarity(self, course: Course, text: str, proposal: Proposal) -> float:
        """Return one likeness."""
        return likeness(text, proposal.motivation)


class TwoPapers:
    """A cognition base of two entries."""

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:
        """Return the entries, the liker first."""
        return tuple(sorted(ENTRIES, key=lambda entry: -likeness(text, entry.scenario)))[:k]


class ScriptedTrainer:
    """Scores a source by its hash; some first attempts fail, and a few sources fail for good."""

    name = "trainer"
    handles = (RunRequested,)

    def decide(self, said: Envelope) -> Decision:
        """Return the run's outcome, a function of the source alone."""
        yield from ()
        asked = cast("RunRequested", said.event)
        chance = int(source_hash(asked.source)[:8], 16)
        if chance % 5 == 0:
            fault = RunFailed(run=asked.run, worker="t", attempt=asked.attempt, stage="gate", reason="causality",
                              message="output at 3 depends on input at 7")  # fmt: skip
            return [Post(said.experiment, fault)]
        scale = 1.0 + (chance % 1000) / 5000
        done = RunCompleted(
            run=asked.run, worker="t", width=64, parameters=int(100_000 * scale), steps=10, tokens=1000, seconds=1.0,
            step_seconds=0.01, flops_per_token=2e5 * scale, val_loss=1.5 * scale, bits_per_byte=2.16 * scale,
            recall=(chance % 97) / 97, recall_stderr=0.01, weights="w", weights_sha256="0", curve=(),
        )  # fmt: skip
        return [Post(said.experiment, RunStarted(run=asked.run, worker="t", width=64, parameters=100_000, gates=())),
                Post(said.experiment, done)]  # fmt: skip


@dataclass
class Step:
    """Something on its way: a message to a role, or what is left to publish of a decision."""

    role: Role
    said: Envelope
    posts: list[Envelope] | None = None


@dataclass
class Laboratory:
    """One campaign's roles and log, and the scheduler's dice."""

    store: Store
    campaign: str
    dice: Random
    disorder: float = 0.15
    """Chance that a message comes twice, and that a decision is cut off and made again."""
    log: list[Envelope] = field(default_factory=list)
    on_the_way: list[Step] = field(default_factory=list)
    listeners: list[tuple[Callable[[Envelope], bool], str]] = field(default_factory=list)
    """A person's words, said once an event of a kind is in the log."""

    def __post_init__(self) -> None:
        """Bring in one of each role."""
        self.roles: list[Role] = [Director(), Researcher(), Engineer(), Analyst(), ScriptedTrainer()]
        self.ids: set[str] = set()
        self.once: set[tuple[str, type[Event]]] = set()
        self.spoken = 0

    def start(self, started: CampaignStarted) -> None:
        """Say that the campaign begins."""
        self.publish(_voice("lab").envelop(Post(CAMPAIGN, started), self.campaign, None, 0))

    def say(self, text: str) -> None:
        """Let a person say something; the desk reads it some time."""
        self.spoken += 1
        heard = Envelope(
            derive(self.campaign, self.spoken),
            "/lab/human/1",
            self.log[0].time,
            self.campaign,
            CAMPAIGN,
            Spoken(payload=text),
        )
        self.on_the_way.append(Step(Desk(), heard))

    def publish(self, envelope: Envelope) -> None:
        """Store an event as the log does: no id twice, no second of what is allowed once."""
        kind = (envelope.experiment, type(envelope.event))
        if envelope.id in self.ids or (envelope.event.once and kind in self.once):
            return
        self.ids.add(envelope.id)
        self.once.add(kind)
        stored = envelope.at(self.store.position + 1)
        assert not self.store.apply([stored])
        self.log.append(stored)
        self.on_the_way += [Step(role, stored) for role in self.roles if isinstance(stored.event, role.handles)]
        for listener in [one for one in self.listeners if one[0](stored)]:
            self.listeners.remove(listener)
            self.say(listener[1])

    def run(self, most_steps: int = 20_000) -> None:
        """Let things go on, in any order, until nothing is on its way."""
        while self.on_the_way:
            most_steps -= 1
            assert most_steps, "the campaign never comes to rest"
            place = self.dice.randrange(len(self.on_the_way))
            self._advance(self.on_the_way.pop(place))

    def _advance(self, step: Step) -> None:
        """Decide, or publish one more post; at times forget what was done and begin again."""
        if step.posts is None:
            posts = [
                _voice(step.role.name).envelop(post, self.campaign, step.said, ordinal)
                for ordinal, post in enumerate(self._decided(step.role.decide(step.said)))
            ]
            self.on_the_way.append(Step(step.role, step.said, posts))
            return
        if step.posts:
            self.publish(step.posts.pop(0))
            again = self.dice.random() < self.disorder  # the process died between two posts
        elif self.dice.random() < self.disorder:
            again = True  # all was said, but not acknowledged
        else:
            return
        self.on_the_way.append(Step(step.role, step.said, None if again else step.posts))

    def _decided(self, decision: Decision) -> Iterator[Post]:
        """Drive a decision with memory's answers."""
        reply: Any = None
        try:
            while True:
                asked = decision.send(reply)
                if isinstance(asked, Post):
                    yield asked
                    reply = None
                else:
                    reply = answer(self.store, CountedIdeas(), TwoPapers(), cast("Query", asked))
        except StopIteration as stop:
            yield from stop.value or ()

    def events(self, kind: type[Event]) -> list[Envelope]:
        """Return the log's events of a kind."""
        return [said for said in self.log if type(said.event) is kind]

    def standing(self) -> Standing:
        """Return where the campaign stands at last."""
        return cast("Standing", answer(self.store, None, None, AskStanding(campaign=self.campaign)))

    def terminals(self) -> Counter[str]:
        """Count the events that end each experiment."""
        ends = [*self.events(AnalysisReady)]
        for kind in (CodeFailed, ProposalRejected):
            ends += [said for said in self.events(kind) if cast("CodeFailed | ProposalRejected", said.event).final]
        return Counter(said.experiment for said in ends)


@lru_cache
def _voice(role: str) -> Bus:
    """Return the bus of a role, for the envelopes it makes."""
    return Bus(cast("Any", None), role)


def started(seed: int, experiments: int, slots: int, baselines: int = 3) -> CampaignStarted:
    """Return how a small campaign begins."""
    return CampaignStarted(
        goal="better recall at the same size", seed=seed, scale="nano", experiments=experiments, slots=slots,
        attempts=2, baselines=BASELINES[:baselines], cold_start=4, batch=2,
    )  # fmt: skip


def names(experiments: int, baselines: int = 3) -> set[str]:
    """Return the experiments of a campaign's slots."""
    return {experiment_id(slot, BASELINES[:baselines]) for slot in range(baselines + experiments)}


@pytest.fixture(scope="module", autouse=True)
def _sources_checked_once() -> Iterator[None]:
    """Remember the verdict on a source, since decisions that are made again ask for the same ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agents.engineer.check", lru_cache(maxsize=None)(check))
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Keep one memory for many campaigns, as a lab's does."""
    with Store(tmp_path_factory.mktemp("memory") / "memory.duckdb") as opened:
        yield opened


@pytest.mark.parametrize("block", range(8))
def test_every_campaign_ends_with_each_experiment_terminal_once(store: Store, block: int) -> None:
    """Twenty-five campaigns of any size, under duplicates, delays and cuts: N ends, none twice, one finish."""
    for seed in range(25 * block, 25 * block + 25):
        dice = Random(seed)
        experiments, slots, baselines = dice.randrange(5), 1 + dice.randrange(6), dice.randrange(4)
        lab = Laboratory(store, f"nano-{seed}", dice)
        lab.start(started(seed, experiments, slots, baselines))
        lab.run()
        assert lab.terminals() == dict.fromkeys(names(experiments, baselines), 1), f"campaign {seed}"
        assert [said.experiment for said in lab.events(CampaignFinished)] == [CAMPAIGN], f"campaign {seed}"
        assert set(Counter(cast("RunCompleted", s.event).run for s in lab.events(RunCompleted)).values()) <= {1}


def test_the_finish_counts_what_the_log_holds(store: Store) -> None:
    """The ending says how many were analysed, failed and rejected, and which is best."""
    lab = Laboratory(store, "counted", Random(1))
    lab.start(started(1, 8, 2))
    lab.run()
    finished = cast("CampaignFinished", lab.events(CampaignFinished)[0].event)
    best = max(lab.events(AnalysisReady), key=lambda said: cast("AnalysisReady", said.event).fitness)
    assert finished.analysed == len(lab.events(AnalysisReady))
    assert finished.analysed + finished.failed + finished.rejected == 11
    assert finished.best == best.experiment


@pytest.mark.parametrize("seed", range(4))
def test_one_slot_and_one_seed_give_one_sequence_of_sources(tmp_path: Path, seed: int) -> None:
    """Whatever is delayed or repeated, K = 1 proposes the same sources in the same order."""
    sequences: list[list[tuple[str, str]]] = []
    for schedule in range(2):
        with Store(tmp_path / f"{schedule}.duckdb") as own:
            lab = Laboratory(own, f"nano-{seed}-same", Random(1000 * seed + schedule))
            lab.start(started(seed, 8, 1))
            lab.run()
            created = [
                (s.experiment, source_hash(cast("ProposalCreated", s.event).source))
                for s in lab.events(ProposalCreated)
            ]
            sequences.append(created)
    assert len(sequences[0]) >= 9
    assert sequences[0] == sequences[1]


def test_different_seeds_propose_different_sources(store: Store) -> None:
    """The seed matters."""
    found = []
    for seed in (1, 2):
        lab = Laboratory(store, f"seed-{seed}", Random(0))
        lab.start(started(seed, 3, 1))
        lab.run()
        found.append([cast("ProposalCreated", s.event).source for s in lab.events(ProposalCreated)][3:])
    assert found[0] != found[1]


def test_no_more_than_k_slots_are_under_way(store: Store) -> None:
    """At any position of the log, open slots number at most settled + K."""
    for slots in (1, 2, 4):
        lab = Laboratory(store, f"width-{slots}", Random(slots))
        lab.start(started(slots, 6, slots))
        lab.run()
        for said in lab.events(ProposalRequested):
            there = cast("Standing", answer(store, None, None, AskStanding(campaign=lab.campaign, at=said.seq)))
            assert there.opened <= there.settled + slots


def test_analyses_wait_for_the_last_baseline(store: Store) -> None:
    """No fitness is said before every baseline is trained or given up."""
    lab = Laboratory(store, "waits", Random(5))
    lab.start(started(5, 4, 4))
    lab.run()
    base = {experiment_id(slot, BASELINES) for slot in range(3)}
    settled = [
        s.seq
        for s in lab.log
        if s.experiment in base
        and (type(s.event) is RunCompleted or (isinstance(s.event, CodeFailed) and s.event.final))
    ]
    assert len(settled) == 3
    assert min(s.seq for s in lab.events(AnalysisReady)) > max(settled)


@pytest.mark.parametrize("block", range(4))
def test_people_may_interrupt_a_campaign_anywhere(store: Store, block: int) -> None:
    """Pause, resume, veto, steer, question, proposal and raised budget leave no slot open and none twice."""
    for seed in range(8 * block, 8 * block + 8):
        dice = Random(seed)
        lab = Laboratory(store, f"people-{seed}", dice)
        lab.listeners += _interruptions(dice)
        lab.start(started(seed, 4, 1 + dice.randrange(3)))
        lab.run()
        assert lab.standing().finished, f"campaign {seed}"
        mine = {said.experiment for said in lab.events(ProposalCreated) if said.experiment.startswith("h-")}
        assert lab.terminals() == dict.fromkeys(names(6) | mine, 1), f"campaign {seed}"
        assert len(lab.events(HumanAnswered)) == 1
        assert len(lab.events(CampaignFinished)) <= 1 + len(lab.events(CampaignResumed))


PROPOSED = json.dumps(
    {
        "text": "my own",
        "source": """
import torch


class Mine(torch.nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.mix = torch.nn.Linear(d_model, d_model)

    def forward(self, x):
        return self.mix(x)
""",
    }
)


def _interruptions(dice: Random) -> list[tuple[Callable[[Envelope], bool], str]]:
    """Return what people say, and upon what."""
    moment = dice.randrange(1, 4)
    return [
        (lambda s: s.experiment == f"e000{moment}" and type(s.event) is ProposalRequested, "pause"),
        (lambda s: type(s.event).__name__ == "CampaignPaused", "resume"),
        (lambda s: s.experiment == "e0001" and type(s.event) is ProposalRequested, "veto e0001"),
        (lambda s: s.experiment == "e0002" and type(s.event) is ProposalRequested, "please try a delta rule"),
        (lambda s: s.experiment == "base-gla" and type(s.event) is ProposalCreated, "how far is base-gla?"),
        (lambda s: s.experiment == "e0001" and type(s.event) is ProposalCreated, PROPOSED),
        (lambda s: s.experiment == "e0003" and type(s.event) is ProposalRequested, "budget 6"),
    ]


def test_a_raised_budget_reopens_a_finished_campaign(store: Store) -> None:
    """After the end, a larger budget resumes the campaign and it finishes again with the new number."""
    lab = Laboratory(store, "reopened", Random(3), disorder=0.0)
    lab.start(started(3, 2, 2))
    lab.listeners.append((lambda s: type(s.event) is CampaignFinished, "budget 5"))
    lab.run()
    assert [type(s.event).__name__ for s in lab.log if s.experiment == CAMPAIGN and "Campaign" in s.type] == [
        "CampaignStarted",
        "CampaignFinished",
        "CampaignResumed",
        "CampaignFinished",
    ]
    assert lab.terminals() == dict.fromkeys(names(5), 1)


def test_a_stop_opens_no_further_slot(store: Store) -> None:
    """What runs goes on, and nothing new begins."""
    lab = Laboratory(store, "stopped", Random(4), disorder=0.0)
    lab.start(started(4, 50, 2))
    lab.listeners.append((lambda s: s.experiment == "e0002" and type(s.event) is ProposalRequested, "stop"))
    lab.run()
    finished = lab.events(CampaignFinished)
    assert [cast("CampaignFinished", s.event).reason for s in finished] == ["stopped"]
    assert not [s for s in lab.events(ProposalRequested) if s.seq > finished[0].seq + 10]
    assert lab.standing().opened < 53


def test_guidance_reaches_the_next_proposal(store: Store) -> None:
    """What a person says stands in the requests and proposals after it, word for word."""
    lab = Laboratory(store, "guided", Random(6), disorder=0.0)
    lab.start(started(6, 5, 1))
    lab.listeners.append(
        (lambda s: s.experiment == "e0001" and type(s.event) is ProposalRequested, "prefer a sliding window")
    )
    lab.run()
    carried = defaultdict(tuple)
    for said in lab.events(ProposalCreated):
        carried[said.experiment] = cast("ProposalCreated", said.event).guidance
    assert carried["e0001"] == ()
    assert carried["e0005"] == ("prefer a sliding window",)
