"""Experiments as memory knows them."""

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from bus.vocabulary.events import CurvePoint, FitnessParts, Origin, Record, Stage, TaskScore
from bus.vocabulary.queries.query import Query

Status = Literal["queued", "running", "quarantined", "analysed", "failed", "rejected"]


class FailedAttempt(Record):
    """One failed attempt."""

    attempt: int
    """Which."""
    stage: Stage
    """Where it failed."""
    reason: str
    """Reason code."""
    message: str
    """One line."""
    repair: str = ""
    """What the next attempt changed; empty where there was none."""


class Experiment(Record):
    """An experiment as memory knows it."""

    id: str
    """`base-gla`, `e0007`, `h-3f2a91c0`."""
    name: str = ""
    """Name of its design."""
    status: Status
    """How far it is."""
    origin: Origin | None = None
    """Who proposed it; None while its slot is only open."""
    operator: str | None = None
    """How it was derived."""
    parent_id: str | None = None
    """What it was derived from."""
    references: tuple[str, ...] = ()
    """What else it drew on."""
    motivation: str = ""
    """Why it was proposed."""
    source: str = ""
    """The newest attempt's source; empty in listings."""
    lines: int | None = None
    """How many lines of that source are not blank; None in listings."""
    design: dict[str, JsonValue] | None = None
    """The design it was rendered from."""
    attempt: int = 0
    """The newest attempt."""
    fitness: float | None = None
    """Mean of the parts."""
    parts: FitnessParts | None = None
    """The three parts."""
    val_loss: float | None = None
    """Nats per byte."""
    bits_per_byte: float | None = None
    """val_loss / ln 2."""
    train_loss: float | None = None
    """Nats per byte of training text when training ended."""
    recall: float | None = None
    """Accuracy of associative recall."""
    recall_stderr: float | None = None
    """Its standard error."""
    scores: tuple[TaskScore, ...] = ()
    """Every task's own score, those above among them; none in logs from before they were kept."""

    @property
    def secondary_scores(self) -> tuple[TaskScore, ...]:
        """The scores of tasks beyond the text and the recall of record, which are the first of their kinds."""
        text = next((s.task for s in self.scores if s.bits_per_byte is not None), None)
        recall = next((s.task for s in self.scores if s.kind == "mqar"), None)
        return tuple(s for s in self.scores if s.task not in {text, recall})

    parameters: int | None = None
    """Trainable parameters."""
    seconds: float | None = None
    """Wall seconds of its completed run."""
    step_seconds: float | None = None
    """Median CPU seconds of a step."""
    flops_per_token: float | None = None
    """Forward FLOPs per token."""
    findings: tuple[str, ...] = ()
    """What the analysis saw."""
    problem: str = ""
    """The weakness it named."""
    cognition: tuple[str, ...] = ()
    """Entries that the problem retrieved."""
    failures: tuple[FailedAttempt, ...] = ()
    """Failed attempts, oldest first."""
    reason: str = ""
    """Reason code of a failed or rejected experiment."""
    curve: tuple[CurvePoint, ...] = ()
    """Thinned loss curves; empty in listings."""
    novelty: float | None = None
    """1 − the highest cosine similarity of its motivation to an earlier one."""
    vetoed: bool = False
    """Whether a person has taken it out of the pool."""
    opened_seq: int = 0
    """Position in the log at which its slot was opened (for a person's: at which it was proposed)."""


class Experiments(Record):
    """Experiments in the order their slots were opened."""

    rows: tuple[Experiment, ...]
    """The experiments."""


class AskExperiments(Query):
    """Which experiments are there? Sources, designs and curves come only where ids are named."""

    name: ClassVar[str] = "experiments"
    Reply: ClassVar[type[Record]] = Experiments

    ids: tuple[str, ...] = ()
    """The experiments wanted; empty for all, in short form."""
    after: int = 0
    """Of all, only those opened past this position: the `opened_seq` of the last one already had."""
    limit: int = Field(default=0, ge=0)
    """Of all, at most so many, the first ones; 0 for no limit. A thousand take more than a megabyte."""
