"""Experiments as memory describes them."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field, JsonValue

from bus.vocabulary.events import (
    Arm,
    CurvePoint,
    FitnessParts,
    Metrics,
    ObjectiveParts,
    Origin,
    Record,
    Stage,
    rank_key,
)
from bus.vocabulary.queries.query import Query

Status = Literal["queued", "running", "quarantined", "analysed", "failed", "rejected", "imported"]


class FailedAttempt(Record):
    """One failed attempt."""

    attempt: int
    """Number of the attempt."""
    stage: Stage
    """Stage at which it failed."""
    reason: str
    """Reason code."""
    message: str
    """One line."""
    repair: str = ""
    """Change of the next attempt; empty if there was none."""


class ForeignRecord(Record):
    """What the history that an experiment was imported from says of it. Nothing in it was measured here."""

    history: str
    """Name of the history."""
    foreign_id: str
    """Id in that history."""
    scores: dict[str, float]
    """Figures that it reports, by name."""
    merit: float | None
    """The figure that ranks it among imported experiments, higher is better."""
    time: AwareDatetime | None
    """When it was made."""


class Experiment(Record):
    """An experiment as of a position."""

    id: str
    """Its id: `base-gla`, `e0007`, `h-3f2a91c0`, `i-5d1c09a4be72`."""
    name: str = ""
    """Name of its design."""
    status: Status
    """Its status."""
    origin: Origin | Literal["imported"] | None = None
    """Where its idea comes from; None before the proposal."""
    arm: Arm | None = None
    """Arm of its slot; None without a slot."""
    operator: str | None = None
    """Operator that derived its design."""
    parent_id: str | None = None
    """Experiment that it was derived from."""
    references: tuple[str, ...] = ()
    """Other experiments that it drew on."""
    motivation: str = ""
    """Why it should work."""
    source: str = ""
    """The newest attempt's source; empty in listings."""
    lines: int | None = None
    """Number of lines of that source that are not blank; None in listings."""
    design: dict[str, JsonValue] | None = None
    """Design that the source was rendered from."""
    attempt: int = 0
    """The newest attempt."""
    fitness: float | None = None
    """Mean of the parts."""
    parts: FitnessParts | None = None
    """The three parts."""
    objective: float | None = None
    """Gain over the best baseline in standard deviations of seed noise; None if the campaign ranks by fitness."""
    objective_parts: ObjectiveParts | None = None
    """What the objective is made of; None without one."""
    score: float | None = None
    """What it is ranked by: its objective, drawn towards what designs of the same units reached the noisier it is. In
    answers to AskExperiments alone; None in a campaign without an objective."""
    metrics: Metrics | None = None
    """Figures of its run, after a replication the worse of both; curves only if the query names ids."""
    parameters: int | None = None
    """Trainable parameters."""
    findings: tuple[str, ...] = ()
    """Observations of the analysis."""
    problem: str = ""
    """Weakness that the analysis named."""
    cognition: tuple[str, ...] = ()
    """Entries that the problem retrieved."""
    failures: tuple[FailedAttempt, ...] = ()
    """Failed attempts, oldest first."""
    reason: str = ""
    """Reason code of a failed or rejected experiment."""
    novelty: float | None = None
    """How far its idea lies from the nearest earlier one, in [0, 1]."""
    vetoed: bool = False
    """Whether a veto is in force."""
    imported: ForeignRecord | None = None
    """What its history says of it, if it was imported; it then has no fitness and no metrics."""
    opened_seq: int = 0
    """Position in the log at which its slot was opened, or without a slot its proposal or its import."""

    @property
    def val_loss(self) -> float | None:
        """Loss on the held-out text of record, nats per byte; None before a run has completed."""
        return self.metrics.val_loss if self.metrics else None

    @property
    def bits_per_byte(self) -> float | None:
        """The same in bits."""
        return self.metrics.bits_per_byte if self.metrics else None

    @property
    def recall(self) -> float | None:
        """Accuracy on the recall task of record."""
        return self.metrics.recall if self.metrics else None

    @property
    def recall_stderr(self) -> float:
        """Its standard error; 0 if it is not known."""
        return self.metrics.recall_stderr if self.metrics else 0.0

    @property
    def seconds(self) -> float | None:
        """Wall seconds of the run."""
        return self.cost("seconds")

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """Loss curves of the run; empty in listings."""
        return self.metrics.curve if self.metrics else ()

    @property
    def rank_key(self) -> tuple[bool, float, float, int]:
        """Sort key of an analysed experiment among those of its campaign, best first; of equals, the one opened first.

        By score if it has one, else by objective, else by fitness.
        """
        value = self.objective if self.score is None else self.score
        if value is None or self.parts is None:
            return False, -(self.fitness or 0.0), 0.0, self.opened_seq
        within_limit = self.objective_parts is None or self.objective_parts.within_limit
        return *rank_key(value, self.parts.judge, within_limit=within_limit), self.opened_seq

    def cost(self, name: str) -> float | None:
        """Return a figure of the run's cost, such as `flops_per_token`; None if it is not known."""
        return self.metrics.cost.get(name) if self.metrics else None


class Experiments(Record):
    """Experiments in the order their slots were opened."""

    rows: tuple[Experiment, ...]
    """The experiments."""


class AskExperiments(Query):
    """Which experiments are there? The reply holds sources, designs and curves only if ids are named."""

    name: ClassVar[str] = "experiments"
    Reply: ClassVar[type[Record]] = Experiments

    ids: tuple[str, ...] = ()
    """Ids of experiments; empty for all, in short form."""
    after: int = 0
    """Of all, only those opened after this position: the `opened_seq` of the last one of the page before."""
    limit: int = Field(default=0, ge=0)
    """Of all, at most so many, the first ones; 0 for no limit. A thousand take more than a megabyte."""


class AskAnalysed(Query):
    """Which of the newest analysed experiments, and of some others, are best? Best first, with their designs.

    The order is that of the campaign's ranking. Vetoed experiments are left out.
    """

    name: ClassVar[str] = "analysed"
    Reply: ClassVar[type[Record]] = Experiments

    newest: int = Field(default=0, ge=0)
    """So many of the experiments that were analysed last."""
    ids: tuple[str, ...] = ()
    """Other analysed experiments."""
