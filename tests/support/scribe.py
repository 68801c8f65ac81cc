"""A scribe: writes the events of a campaign into a store one after the other, and asks the store about them."""

from datetime import UTC, datetime

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
from memory.queries import Knowledge, answer
from memory.store import Store


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

    def start(self, baselines: tuple[str, ...] = ("gla",), experiments: int = 3) -> int:
        """Start the campaign."""
        started = CampaignStarted(
            goal="g",
            seed=0,
            scale="nano",
            experiments=experiments,
            slots=2,
            baselines=baselines,
            cold_start=2,
            batch=2,
        )
        return self.write(CAMPAIGN, started)

    def open(self, experiment: str, slot: int, parent: str | None = None) -> int:
        """Open a slot."""
        arm = "baseline" if experiment.startswith("base-") else "guided"
        return self.write(experiment, ProposalRequested(slot=slot, arm=arm, parent=parent))

    def propose(self, experiment: str, motivation: str = "m", source: str = "x = 1", parent: str | None = None) -> int:
        """Propose an architecture."""
        proposal = ProposalCreated(name="n", motivation=motivation, source=source, origin="genetic", parent=parent)
        return self.write(experiment, proposal)

    def start_run(self, experiment: str) -> int:
        """Begin to train."""
        return self.write(experiment, RunStarted(run="r", worker="w", width=8, parameters=10, gates=()))

    def complete(self, experiment: str, scores: tuple[TaskScore, ...] = ()) -> int:
        """Complete a run with scores."""
        completed = RunCompleted(
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
        )
        return self.write(experiment, completed)

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

    def standing(self, at: int = 0) -> CampaignStatus:
        """Ask for the status of the campaign."""
        reply = answer(Knowledge(self.store), AskStanding(at=at))
        assert isinstance(reply, CampaignStatus)
        return reply

    def peers(self, experiment: str, at: int = 0) -> Peers:
        """Ask for the peers of an experiment."""
        reply = answer(Knowledge(self.store), AskPeers(experiment=experiment, at=at))
        assert isinstance(reply, Peers)
        return reply

    def experiment(self, experiment: str, at: int = 0) -> Experiment:
        """Ask for an experiment with all there is."""
        reply = answer(Knowledge(self.store), AskExperiments(ids=(experiment,), at=at))
        assert isinstance(reply, Experiments)
        return reply.rows[0]
