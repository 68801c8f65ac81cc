"""What can be asked of memory on `lab.query.<name>`, and the shape of each answer.

`at` is a position in the log: the answer describes the log up to and including it, whatever memory has read since, so
that a decision depends on the log's prefix and not on timing. `at=0` asks for the latest.
"""

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from bus.events import CampaignStarted, CurvePoint, FitnessParts, Origin, Record, Stage, TaskScore
from bus.role import Question

Status = Literal["queued", "running", "quarantined", "analysed", "failed", "rejected"]


class Query(Question):
    """A question to memory about the log up to a position."""

    name: ClassVar[str]
    """Last token of the subject."""
    at: int = 0
    """Position in the log, 0 for the latest."""
    campaign: str = ""
    """The campaign; empty for the newest one."""


class Standing(Record):
    """Where a campaign stands."""

    campaign: str = ""
    """Its id; empty where the log holds none."""
    started: CampaignStarted | None = None
    """How it was started."""
    paused: bool = False
    """Whether a person has paused it."""
    finished: bool = False
    """Whether it has ended."""
    last_ending: int = 0
    """Position of its newest ending, whether it was resumed since or not; 0 before the first."""
    stopping: bool = False
    """Whether a person has said stop since the newest ending or resumption: the ending is on its way."""
    budget: int = 0
    """Experiments to make beside the baselines, after any change by a person."""
    opened: int = 0
    """Slots opened so far, baselines included."""
    unbroken: int = 0
    """The first slot that is not open: all below it are, and some above it may be."""
    settled: int = 0
    """Slots that need no more work: baselines trained or failed, experiments analysed, failed or rejected."""
    unsettled: int = 0
    """Experiments not yet terminal, people's included."""
    analysed: int = 0
    """Experiments with a fitness."""
    failed: int = 0
    """Experiments given up."""
    rejected: int = 0
    """Experiments whose ideas were all rejected."""
    guidance: tuple[str, ...] = ()
    """Steering words that stand, oldest first."""
    founders: tuple[str, ...] = ()
    """Baselines that ideas may start from: proposed, neither given up nor vetoed, in the order of their slots."""
    generation: int = 0
    """Renewals of the pool."""
    parents: tuple[str, ...] = ()
    """First tier of the pool as last renewed, vetoed ones left out."""
    references: tuple[str, ...] = ()
    """Second tier of the pool as last renewed, vetoed ones left out."""
    ranking: tuple[str, ...] = ()
    """The 50 best experiments now, best first, vetoed ones left out."""
    last_seq: int = 0
    """Position in the log that memory has read up to."""


class AskStanding(Query):
    """Where does the campaign stand?"""

    name: ClassVar[str] = "standing"
    Reply: ClassVar[type[Record]] = Standing


class Failure(Record):
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
    def further(self) -> tuple[TaskScore, ...]:
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
    failures: tuple[Failure, ...] = ()
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


class Peers(Record):
    """An experiment and what it is to be compared with: itself and its parent whole, of others what is compared."""

    this: Experiment
    """The experiment."""
    parent: Experiment | None = None
    """Its parent."""
    siblings: tuple[Experiment, ...] = ()
    """Other analysed children of that parent, with their text losses alone."""
    baselines: tuple[Experiment, ...] = ()
    """Baselines that have completed, with their figures alone."""
    baselines_pending: int = 0
    """Baselines that are neither trained nor failed."""
    awaiting: tuple[str, ...] = ()
    """Experiments trained but not analysed, this one included, in the order they completed."""


class AskPeers(Query):
    """What is this experiment to be compared with?"""

    name: ClassVar[str] = "peers"
    Reply: ClassVar[type[Record]] = Peers

    experiment: str
    """Which one."""


class Trial(Record):
    """What it takes to try an experiment."""

    this: Experiment
    """The experiment, but for its novelty."""
    started: CampaignStarted | None = None
    """What the campaign was started with."""
    baselines: tuple[Experiment, ...] = ()
    """Baselines that have completed, with their figures alone."""


class AskTrial(Query):
    """What does it take to try this experiment?"""

    name: ClassVar[str] = "trial"
    Reply: ClassVar[type[Record]] = Trial

    experiment: str
    """Which one."""


class Neighbour(Record):
    """An earlier idea and how near it is."""

    id: str
    """The experiment."""
    similarity: float
    """Cosine similarity of the motivations."""
    motivation: str
    """Its motivation."""
    same_source: bool = False
    """True where its source is the same but for blank space."""


class Neighbours(Record):
    """Earlier ideas, nearest first."""

    rows: tuple[Neighbour, ...]
    """At most k."""


class AskNeighbours(Query):
    """Which earlier ideas resemble this one?"""

    name: ClassVar[str] = "neighbours"
    Reply: ClassVar[type[Record]] = Neighbours

    text: str
    """A motivation."""
    source: str = ""
    """Its source, to find an identical one."""
    exclude: str = ""
    """An experiment to leave out: the one whose idea is compared."""
    k: int = Field(default=5, ge=1, le=50)
    """How many."""


class CognitionEntry(Record):
    """One piece of published knowledge."""

    key: str
    """Stable key."""
    title: str
    """The paper."""
    scenario: str
    """When it helps: the weakness it answers."""
    algorithm: str
    """What to do."""
    history: str
    """What came before it and what it changed."""
    units: tuple[str, ...] = ()
    """Units of the design grammar that it speaks for."""
    similarity: float = 0.0
    """Cosine similarity to the question."""


class Cognition(Record):
    """Entries, nearest first."""

    rows: tuple[CognitionEntry, ...]
    """At most k, none below the threshold."""


class AskCognition(Query):
    """What is known about this problem?"""

    name: ClassVar[str] = "cognition"
    Reply: ClassVar[type[Record]] = Cognition

    text: str
    """A problem, in words."""
    k: int = Field(default=3, ge=1, le=20)
    """How many."""
    min_similarity: float = 0.25
    """Cosine below which an entry is not worth reading."""


QUERIES: dict[str, type[Query]] = {
    q.name: q for q in (AskStanding, AskExperiments, AskPeers, AskTrial, AskNeighbours, AskCognition)
}
"""Every query by its name."""
