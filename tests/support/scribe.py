"""A scribe: writes the events of a campaign into a store one after the other, and asks the store about them."""

from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from bus.vocabulary.events import (
    AnalysisReady,
    CodeFailed,
    Event,
    FitnessParts,
    Forecast,
    Objective,
    ObjectiveMeasure,
    ObjectiveParts,
    PoolUpdated,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunStarted,
)
from bus.vocabulary.queries import (
    AskCampaignStatus,
    AskExperiments,
    AskPeers,
    CampaignStatus,
    Experiment,
    Experiments,
    Peers,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, run_id
from memory.queries import Knowledge, answer
from memory.store import Store
from tests.support.factories import campaign_started, run_completed

DESIGN: dict[str, JsonValue] = {
    "gate": "silu",
    "norm": "rms",
    "paths": [{"kind": "window", "span": "8", "position": "rotary"}],
}
"""A design of five items: two of its frame, and a path with its kind."""
OBJECTIVE = Objective(tasks={"text": ObjectiveMeasure(measure="nats_per_byte", weight=1.0, noise=0.018)}, max_flops=1.5)
"""An objective of text alone."""


class Scribe:
    """Writes events into a store, each at the next position; every method that writes returns the last position."""

    def __init__(self, store: Store, campaign: str = "c") -> None:
        self.store = store
        self.campaign = campaign

    def write(self, experiment: str, *events: Event) -> int:
        """Write events about an experiment or about the `campaign`."""
        for event in events:
            seq = self.store.position + 1
            now = datetime.now(UTC)
            envelope = Envelope(f"id{seq}", "/lab/director/1", now, self.campaign, experiment, event, None, seq)
            assert self.store.apply([envelope]) == []
        return self.store.position

    def start(self, baselines: tuple[str, ...] = ("gla",), **fields: Any) -> int:
        """Start the campaign."""
        return self.write(CAMPAIGN, campaign_started(baselines=baselines, **fields))

    def renew_pool(self, generation: int, *parents: str) -> int:
        """Renew the pool of the search policy."""
        tiers: dict[str, JsonValue] = {"parents": list(parents), "references": []}
        return self.write(CAMPAIGN, PoolUpdated(generation=generation, policy="two_tier", state=tiers))

    def open(self, experiment: str, slot: int, parent: str | None = None) -> int:
        """Open a slot."""
        arm = "baseline" if experiment.startswith("base-") else "guided"
        return self.write(experiment, ProposalRequested(slot=slot, arm=arm, parent=parent))

    def propose(
        self,
        experiment: str,
        motivation: str = "m",
        source: str = "x = 1",
        parent: str | None = None,
        design: dict[str, JsonValue] | None = None,
        cognition: tuple[str, ...] = (),
        forecast: Forecast | None = None,
    ) -> int:
        """Propose an architecture."""
        proposal = ProposalCreated(
            name="n", motivation=motivation, source=source, origin="genetic", parent=parent, design=design,
            cognition=cognition, forecast=forecast,
        )  # fmt: skip
        return self.write(experiment, proposal)

    def start_run(self, experiment: str) -> int:
        """Begin to train."""
        return self.write(experiment, RunStarted(run="r", worker="w", width=8, parameters=10, gates=()))

    def complete(self, experiment: str, shard: int = 0, **figures: Any) -> int:
        """Complete a run with some figures of `factories.metrics`."""
        return self.write(experiment, run_completed(run_id(experiment, 0, shard), **figures))

    def analyse(self, experiment: str, fitness: float = 0.5) -> int:
        """Publish an analysis."""
        parts = FitnessParts(loss=fitness, benchmark=fitness, judge=fitness)
        return self.write(experiment, AnalysisReady(fitness=fitness, parts=parts, findings=("f",), problem="p"))

    def fail(self, experiment: str, *, final: bool = True) -> int:
        """Fail an attempt."""
        failed = CodeFailed(attempt=0, stage="gate", reason="causality", message="looks ahead", final=final)
        return self.write(experiment, failed)

    def reject(self, experiment: str, *, final: bool) -> int:
        """Reject an idea."""
        rejected = ProposalRejected(name="n", motivation="m", reason="near_motivation", message="near", final=final)
        return self.write(experiment, rejected)

    def finish(self, experiment: str, slot: int, fitness: float = 0.5, parent: str | None = None) -> int:
        """Write a whole experiment, from its slot to its analysis."""
        self.open(experiment, slot, parent)
        self.propose(experiment, f"idea of {experiment}", f"x = {slot}", parent)
        self.start_run(experiment)
        self.complete(experiment)
        return self.analyse(experiment, fitness)

    def finish_scored(
        self, slot: int, objective: float, judge: float = 0.5, gate: str = "silu", *, within: bool = True
    ) -> int:
        """Write a whole experiment with an objective; its fitness ranks the other way round."""
        name, fitness = f"e{slot:04}", 0.5 - objective / 1000
        self.open(name, slot)
        self.propose(name, f"idea of {name}", f"x = {slot}", design=DESIGN | {"gate": gate})
        self.complete(name)
        parts = FitnessParts(loss=fitness, benchmark=fitness, judge=judge)
        of = ObjectiveParts(gains={"text": objective}, flops=1.0, within_limit=within)
        analysis = AnalysisReady(
            fitness=fitness, parts=parts, findings=(), problem="", objective=objective, objective_parts=of
        )
        return self.write(name, analysis)

    def status(self, at: int = 0) -> CampaignStatus:
        """Ask for the status of the campaign."""
        reply = answer(Knowledge(self.store), AskCampaignStatus(at=at))
        assert isinstance(reply, CampaignStatus)
        return reply

    def peers(self, experiment: str, at: int = 0, reader: str = "") -> Peers:
        """Ask for the peers of an experiment."""
        reply = answer(Knowledge(self.store), AskPeers(experiment=experiment, at=at, reader=reader))
        assert isinstance(reply, Peers)
        return reply

    def experiment(self, experiment: str, at: int = 0) -> Experiment:
        """Ask for an experiment with all there is."""
        reply = answer(Knowledge(self.store), AskExperiments(ids=(experiment,), at=at))
        assert isinstance(reply, Experiments)
        return reply.rows[0]
