"""Verification: the plan of a campaign, who climbs the ladder of rungs, the runs on sealed text, and the verdicts.

A promotion is one step of a climb: it takes a candidate to a look of a rung and lists the runs that the look still
needs. Promotions form one chain, in which the stream takes each link once, so no run is asked for twice. If the plan
tunes learning rates, a rung begins with a step that tries them on validation text, for the candidate as for the
baselines.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from bus.vocabulary.events.base import Event, Limits, Record
from bus.vocabulary.events.code import Stage
from bus.vocabulary.events.metrics import Metrics

MAX_BLOCKS = 32
"""Most blocks of sealed text whose means a run reports."""
Outcome = Literal["passed", "failed", "undecided"]


class Rung(Record):
    """One rung of the ladder of verification."""

    scale: str
    """Rung of the ladder of scales, such as `micro`."""
    climbers: int = Field(ge=1)
    """Most candidates that are tried on it."""
    looks: tuple[int, ...] = Field(min_length=1)
    """Numbers of seeds after which the evidence is judged, rising; a candidate gets no more than the last."""
    limits: Limits
    """Limits of a run."""
    parameters: int = Field(default=0, ge=0)
    """Parameter budget of a model on this rung: a candidate must meet it within 1 %. 0 in earlier logs: not checked."""

    @model_validator(mode="after")
    def _check(self) -> "Rung":
        if self.looks[0] < 2 or list(self.looks) != sorted(set(self.looks)):
            raise ValueError("looks are numbers of seeds that rise, the first at least 2")
        if len(self.looks) > 1 and self.looks[-1] - self.looks[-2] < 2:
            raise ValueError("the last look needs at least 2 more seeds than the one before, which its test is about")
        return self


class VerificationPlan(Record):
    """How a campaign verifies what its screening finds. It is fixed before the first experiment."""

    rungs: tuple[Rung, ...] = Field(min_length=2)
    """The rungs from the lowest to the highest. Only a candidate that passes all of them is a discovery."""
    settlements: tuple[int, ...] = Field(min_length=1)
    """Entry k: as soon as so many designs are settled, the best one that has not climbed yet begins to climb."""
    baselines: int = Field(default=2, ge=1)
    """Number of baselines that climb too, the best ones by text loss; a claim must beat every one of them."""
    margin: float = Field(default=0.0, ge=0)
    """Gain over a baseline, in nats per byte of sealed text, that a discovery must exceed."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Rate of false discoveries in the campaign, over all candidates, looks and rungs."""
    futility: float = Field(default=0.05, ge=0, lt=1)
    """A climb ends when the predicted chance of passing its rung falls below this; with 0 it never ends early."""
    retries: int = Field(default=1, ge=0, le=5)
    """Times that a run is repeated which a busy machine may have ended."""
    placebos: int = Field(default=0, ge=0, le=8)
    """Times that the best baseline climbs again under another name with other seeds. It has no gain, so how often it
    passes is the measured rate of false discoveries. Placebos take no candidate's place and get no verdict."""
    rates: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(default=(), max_length=8)
    """Multiples of a rung's learning rates that the candidate and every baseline try there, on one seed and validation
    text; each then keeps its best. Empty: the scale's own rates, as in earlier logs."""
    ascent: Literal["first", "best"] = "first"
    """Who gets a place of the next rung: whoever passes first, as in earlier logs, or the best that passed."""

    @property
    def rivals(self) -> str:
        """The baselines that climb too, in words."""
        return f"the {self.baselines} best baselines" if self.baselines > 1 else "the best baseline"

    @property
    def candidates(self) -> int:
        """Most candidates that are verified: each gets an equal share of alpha."""
        return min(len(self.settlements), self.rungs[0].climbers)

    @property
    def rung_names(self) -> tuple[str, ...]:
        """Names of the rungs: their scales, with a number if the plan has a scale twice."""
        scales = [rung.scale for rung in self.rungs]
        return tuple(
            scale if scales.count(scale) == 1 else f"{scale}-{scales[: index + 1].count(scale)}"
            for index, scale in enumerate(scales)
        )

    @model_validator(mode="after")
    def _check(self) -> "VerificationPlan":
        if list(self.settlements) != sorted(self.settlements) or self.settlements[0] < 1:
            raise ValueError("settlements are numbers of settled designs that do not fall, the first at least 1")
        return self


class PlannedRun(Record):
    """A run that a promotion asks for."""

    run: str
    """Its id, `<experiment>-v<rung>-s<number of the seed>`, or `…-t<number of the rate>` if it tries a rate."""
    experiment: str
    """The candidate or a baseline."""
    seed: int
    """Seed of weights, data order and tasks: one that no screening run has."""
    rate: float = Field(default=1.0, gt=0)
    """Multiple of the scale's learning rates that it trains with."""


class PromotionDecided(Event):
    """The director takes a candidate to a look of a rung, or passes a place over because nobody may climb."""

    number: int = Field(ge=1)
    """Position in the chain of promotions."""
    place: int = Field(ge=0)
    """The place in the plan, an index of its `settlements`."""
    candidate: str | None
    """The experiment that climbs; None if no settled design may."""
    rung: int = Field(default=0, ge=0)
    """Index of the rung."""
    look: int = Field(default=0, ge=0)
    """Index of the look."""
    tunes: bool = False
    """Whether this step tries learning rates, before the first look of the rung."""
    baselines: tuple[str, ...] = ()
    """The baselines that it must beat."""
    runs: tuple[PlannedRun, ...] = ()
    """Runs of this look that no earlier promotion has asked for."""
    structure: str = ""
    """Hash of the candidate's design: no second candidate of the same structure climbs; empty for a placebo."""
    placebo_of: str = ""
    """The baseline that climbs as a placebo under the candidate's name; empty for a design."""
    why: str
    """The reason."""


class VerificationRequested(Event):
    """A run of a climb is asked for: on sealed text, or one that tries a learning rate."""

    run: str
    """Id of the run."""
    repetition: int = Field(default=0, ge=0)
    """How often the run has been repeated before."""
    source: str
    """The architecture, exactly as it is executed."""
    scale: str
    """Rung of the ladder of scales."""
    seed: int
    """Seed of weights, data order and tasks."""
    limits: Limits
    """Time and memory."""
    data: str | None = None
    """The user's own text, or None."""
    sandbox: Literal["bwrap", "none"] = "bwrap"
    """Containment of the candidate."""
    rate: float = Field(default=1.0, gt=0)
    """Multiple of the scale's learning rates."""
    sealed: bool = True
    """Whether sealed text scores it; a run that tries a rate has validation text."""


class VerificationCompleted(Event):
    """A run of a climb ended with scores."""

    run: str
    """The run."""
    worker: str
    """The trainer process."""
    metrics: Metrics
    """All figures, those on text from the text that was asked for."""
    blocks: tuple[float, ...] = Field(max_length=MAX_BLOCKS)
    """Mean nats per byte of each block of the sealed text, in the order of the text: the same blocks in every run. None
    of a run that tries a rate."""
    weights_sha256: str
    """Hash of the weights that were scored."""


class VerificationFailed(Event):
    """A run of a climb ended without a score."""

    run: str
    """The run."""
    worker: str
    """The trainer process; empty if no trainer was involved."""
    repetition: int = Field(ge=0)
    """How often the run had been repeated before."""
    stage: Stage
    """Stage at which it ended."""
    reason: str
    """Reason code, as of RunFailed."""
    message: str
    """One line for a reader."""
    seconds: float = Field(default=0.0, ge=0)
    """Wall seconds that it took; 0 if it did not begin, and in earlier logs."""


class RatesChosen(Event):
    """Every run that tries a rate on a rung has ended, and each climber has its rate."""

    rung: int = Field(ge=0)
    """Index of the rung."""
    rates: tuple[float, ...]
    """The multiples of the scale's learning rates that were tried."""
    losses: Mapping[str, tuple[float | None, ...]]
    """Of the candidate and every baseline, the text loss at each rate, nats per byte of validation text; None for a
    run without a score."""
    chosen: Mapping[str, float]
    """Of each, the rate with the lowest loss: its runs on sealed text have this one. 1 if no rate has a score."""


class BaselineFigures(Record):
    """A candidate against one baseline at one rung, on the same seeds and the same text; gains in nats per byte."""

    baseline: str
    """The baseline."""
    gains: tuple[float, ...]
    """Gain on each seed: the baseline's loss less the candidate's."""
    mean: float
    """Mean gain."""
    sd: float
    """Standard deviation of a gain over seeds."""
    e_value: float
    """Evidence for a mean gain above the margin; 1/level confirms."""
    low: float | None
    """Lower bound of the mean gain at the evidence's level, valid at every look; None if so few seeds give none."""
    high: float | None
    """Upper bound, in the same sense."""
    seed_interval: tuple[float, float]
    """95 % t interval over seeds, for display."""
    document_interval: tuple[float, float] | None
    """Interval over seeds and blocks of text with a confidence of 1 − 2 · level; a pass needs it above the margin. None
    without blocks."""
    smallest_gain: float | None
    """Mean gain that the last look would confirm with a power of 0.8."""


class RungFigures(Record):
    """What the seeds so far say about a candidate at one rung."""

    rung: str
    """Name of the rung: its scale, with a number if the plan has the scale twice."""
    seeds: tuple[int, ...]
    """Numbers of the rung's seeds on which the candidate and every baseline have a score."""
    comparisons: tuple[BaselineFigures, ...]
    """One for each baseline."""


class EvidenceReady(Event):
    """Every run of a look has ended, and the candidate passes its rung, fails it, or needs more seeds."""

    rung: int = Field(ge=0)
    """Index of the rung."""
    look: int = Field(ge=0)
    """Index of the look."""
    figures: RungFigures
    """The figures up to this look; without comparisons if too few seeds have every score."""
    level: float = Field(gt=0, lt=1)
    """Chance of a false discovery that this candidate may have: its share of the plan's alpha."""
    outcome: Outcome
    """What follows for the candidate."""
    why: str
    """The reason, with figures."""


class DiscoveryConfirmed(Event):
    """On fresh seeds and sealed text, a candidate beats every baseline by more than the margin, at every rung."""

    once: ClassVar[bool] = True

    rungs: tuple[RungFigures, ...] = Field(min_length=2)
    """The evidence of every rung, from the lowest to the highest."""
    margin: float
    """Gain that it exceeds, nats per byte of sealed text."""
    level: float
    """Chance of a false discovery that this candidate had: its share of the plan's alpha."""
    why: str
    """The reason, with figures."""


class DiscoveryRefuted(Event):
    """On fresh seeds and sealed text, it could not be shown that a candidate beats every baseline."""

    once: ClassVar[bool] = True

    reason: Literal["evidence", "run_failed", "parameters"]
    """The seeds do not show the gain; or a run of the candidate ended without a score; or its model misses the rung's
    budget of parameters."""
    rungs: tuple[RungFigures, ...]
    """The evidence of every rung that was judged, from the lowest."""
    margin: float
    """Gain that a discovery must exceed, nats per byte of sealed text."""
    level: float
    """Chance of a false discovery that this candidate had: its share of the plan's alpha."""
    why: str
    """The reason, with figures."""
