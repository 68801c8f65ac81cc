"""What memory's tests share: a made-up campaign, a store, and events said one after the other."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.campaign_log import campaign_log
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignStarted,
    CodeFailed,
    Event,
    FitnessParts,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunCompleted,
    RunStarted,
    TaskScore,
)
from bus.vocabulary.queries import AskExperiments, AskPeers, AskStanding, CampaignStatus, Experiment, Experiments, Peers
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN
from memory.answers import answer
from memory.store import Store


class Scribe:
    """Says events into a store, each at the next position."""

    def __init__(self, store: Store, campaign: str = "c") -> None:
        self.store = store
        self.campaign = campaign

    def say(self, experiment: str, *events: Event) -> int:
        """Say events and return the position of the last."""
        for event in events:
            seq = self.store.position + 1
            now = datetime.now(UTC)
            said = Envelope(f"id{seq}", "/lab/director/1", now, self.campaign, experiment, event, None, seq)
            assert self.store.apply([said]) == []
        return self.store.position

    def start(self, baselines: tuple[str, ...] = ("gla",), experiments: int = 3) -> int:
        """Start a campaign."""
        return self.say(
            CAMPAIGN,
            CampaignStarted(
                goal="g",
                seed=0,
                scale="nano",
                experiments=experiments,
                slots=2,
                baselines=baselines,
                cold_start=2,
                batch=2,
            ),
        )

    def open(self, experiment: str, slot: int, parent: str | None = None) -> int:
        """Open a slot."""
        arm = "baseline" if experiment.startswith("base-") else "guided"
        return self.say(experiment, ProposalRequested(slot=slot, arm=arm, parent=parent))

    def propose(self, experiment: str, motivation: str = "m", source: str = "x = 1", parent: str | None = None) -> int:
        """Propose a design."""
        return self.say(
            experiment,
            ProposalCreated(name="n", motivation=motivation, source=source, origin="genetic", parent=parent),
        )

    def begin(self, experiment: str) -> int:
        """Begin training."""
        return self.say(experiment, RunStarted(run="r", worker="w", width=8, parameters=10, gates=()))

    def complete(self, experiment: str, scores: tuple[TaskScore, ...] = ()) -> int:
        """End training with scores."""
        return self.say(
            experiment,
            RunCompleted(
                run="r",
                worker="w",
                width=8,
                parameters=10,
                steps=1,
                tokens=1,
                seconds=1.0,
                step_seconds=0.1,
                flops_per_token=1.0,
                val_loss=1.5,
                bits_per_byte=2.1,
                recall=0.5,
                recall_stderr=0.1,
                weights="w",
                weights_sha256="s",
                curve=(),
                scores=scores,
            ),
        )

    def analyse(self, experiment: str, fitness: float = 0.5) -> int:
        """Give a fitness."""
        parts = FitnessParts(loss=fitness, benchmark=fitness, judge=fitness)
        return self.say(experiment, AnalysisReady(fitness=fitness, parts=parts, findings=("f",), problem="p"))

    def fail(self, experiment: str, *, final: bool = True) -> int:
        """Fail an attempt."""
        return self.say(
            experiment, CodeFailed(attempt=0, stage="gate", reason="causality", message="looks ahead", final=final)
        )

    def reject(self, experiment: str, *, final: bool) -> int:
        """Turn an idea down."""
        return self.say(
            experiment,
            ProposalRejected(name="n", motivation="m", reason="near_motivation", message="near", final=final),
        )

    def live(self, experiment: str, slot: int, fitness: float = 0.5, parent: str | None = None) -> int:
        """Say a whole life that ends well."""
        self.open(experiment, slot, parent)
        self.propose(experiment, f"idea of {experiment}", f"x = {slot}", parent)
        self.begin(experiment)
        self.complete(experiment)
        return self.analyse(experiment, fitness)

    def standing(self, at: int = 0) -> CampaignStatus:
        """Ask where the campaign stands."""
        reply = answer(self.store, None, None, AskStanding(at=at))
        assert isinstance(reply, CampaignStatus)
        return reply

    def peers(self, experiment: str, at: int = 0) -> Peers:
        """Ask what an experiment is to be compared with."""
        reply = answer(self.store, None, None, AskPeers(experiment=experiment, at=at))
        assert isinstance(reply, Peers)
        return reply

    def one(self, experiment: str, at: int = 0) -> Experiment:
        """Ask for one experiment, whole."""
        reply = answer(self.store, None, None, AskExperiments(ids=(experiment,), at=at))
        assert isinstance(reply, Experiments)
        return reply.rows[0]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open an empty store."""
    with Store(tmp_path / "memory.duckdb") as opened:
        yield opened


@pytest.fixture
def scribe(store: Store) -> Scribe:
    """Return someone who says events into the store."""
    return Scribe(store)


@pytest.fixture(scope="session")
def log() -> list[Envelope]:
    """Return a campaign of 60 experiments."""
    return list(campaign_log(60))


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[list[Envelope]], Store]:
    """Return how to open a new store that has read some events."""

    def fill(events: list[Envelope]) -> Store:
        store = Store(tmp_path / f"{len(list(tmp_path.iterdir()))}.duckdb")
        store.apply(events)
        return store

    return fill
