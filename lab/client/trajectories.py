"""What each arm of a campaign tried, what that cost, and what it found, read from the log alone.

An arm is what asked for an experiment: the search policy of a guided slot, or a control arm. The slots of the control
`random` are a small part of a campaign, and their arm is called `random control`: `random` is a whole campaign under
that policy. Experiments that people proposed are the arm `human`. The baselines are what gains are measured from, and
no arm.

A trial's gain is a *screening score*: one seed, text loss, best baseline less this design. A *discovery* is a
DiscoveryConfirmed event, nothing else. Both are placed at what the search had spent half way through the design's
screening: a plan verifies at fixed places, so when a verdict comes says nothing about the search.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bus.wire.envelope import Envelope
from lab.client.outcomes import BASELINE_ARM, HUMAN_ARM, ExperimentOutcome, outcomes, screening_losses


@dataclass(frozen=True, slots=True)
class ArmCost:
    """What an arm has spent."""

    experiments: float = 0
    """Experiments that were opened."""
    seconds: float = 0.0
    """Wall seconds of its runs, failed ones included."""
    flops: float = 0.0
    """Floating-point operations of training in its completed runs."""
    tokens: float = 0.0
    """Tokens of language models, prompts and answers together, asked about its experiments."""

    def plus(self, more: "ArmCost", share: float = 1) -> "ArmCost":
        """Return this cost and a share of another one together."""
        return ArmCost(**{cost: getattr(self, cost) + share * getattr(more, cost) for cost in COSTS})


COSTS = ("experiments", "seconds", "flops", "tokens")
"""The fields of a cost, in the order of reports."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One experiment of an arm."""

    experiment: str
    event_id: str
    """Id of the event that shows its outcome; the same in a fork that keeps it."""
    gain: float | None
    """Screening gain in text loss over the best baseline, nats per byte; None for a failed run."""
    cost: ArmCost
    """What the arm's search had spent by then, without verification."""
    middle: ArmCost
    """The same, less half of what the experiment itself had cost."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One search: an arm of a campaign from its start to the end of the log."""

    log: str
    campaign: str
    arm: str
    trials: tuple[Trial, ...]
    """First runs, completed or failed, and experiments that were given up before one, oldest first."""
    discoveries: tuple[ArmCost, ...]
    """The middle of the trial of each design that a DiscoveryConfirmed is about."""
    refuted: int
    cost: ArmCost
    """All that it has spent, verification included."""
    search_cost: ArmCost
    """The same without verification."""

    @property
    def gains(self) -> list[float]:
        """The screening gains of its completed trials."""
        return [trial.gain for trial in self.trials if trial.gain is not None]


def trajectories(history: Sequence[Envelope], log: str) -> list[Trajectory]:
    """Return the searches of a log, by campaign and arm in the order of their first experiment.

    Runs of placebos are no arm's, as those of baselines.
    """
    campaigns: defaultdict[str, list[Envelope]] = defaultdict(list)
    for one in history:
        campaigns[one.campaign].append(one)
    return [search for name, events in campaigns.items() for search in searches(outcomes(events), log, name)]


def searches(found: Iterable[ExperimentOutcome], log: str, campaign: str) -> list[Trajectory]:
    """Return the searches of one campaign."""
    reading = _Reading(log, campaign)
    for outcome in found:
        reading.read(outcome)
    return reading.trajectories()


@dataclass(slots=True)
class _Reading:
    """One campaign, read outcome by outcome."""

    log: str
    campaign: str
    arms: dict[str, str] = field(default_factory=dict)
    """Arm of each experiment."""
    found: list[ExperimentOutcome] = field(default_factory=list)
    spent: defaultdict[str, ArmCost] = field(default_factory=lambda: defaultdict(ArmCost))
    searched: defaultdict[str, ArmCost] = field(default_factory=lambda: defaultdict(ArmCost))
    """The same without verification."""
    own: defaultdict[str, ArmCost] = field(default_factory=lambda: defaultdict(ArmCost))
    """What each experiment has cost, without verification."""
    first_runs: dict[str, tuple[str, ExperimentOutcome, ArmCost, ArmCost]] = field(default_factory=dict)
    """First run of each experiment, or its end without one: its arm, that end, the cost of the arm's search then and
    half way through."""
    discoveries: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    refuted: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def read(self, one: ExperimentOutcome) -> None:
        self.found.append(one)
        arm = self.arms.get(one.experiment, HUMAN_ARM)
        match one.kind:
            case "opened":
                self.arms[one.experiment] = one.arm
                self._spend(one.experiment, one.arm, ArmCost(experiments=1))
            case "completed" | "failed":
                self._spend(one.experiment, arm, _cost_of(one))
                self._end(one, arm)
            case "given_up" if one.experiment in self.arms and one.experiment not in self.first_runs:
                self._end(one, arm)
            case "sealed":
                self.spent[arm] = self.spent[arm].plus(_cost_of(one))
            case "asked" if one.experiment in self.arms:
                self._spend(one.experiment, arm, _cost_of(one))
            case "confirmed":
                self.discoveries[arm].append(one.experiment)
            case "refuted":
                self.refuted[arm] += 1

    def _spend(self, experiment: str, arm: str, more: ArmCost) -> None:
        """Add to what an arm's search has cost; sealed runs of baselines, which all arms share, are no arm's."""
        self.spent[arm] = self.spent[arm].plus(more)
        self.searched[arm] = self.searched[arm].plus(more)
        self.own[experiment] = self.own[experiment].plus(more)

    def _end(self, one: ExperimentOutcome, arm: str) -> None:
        """Keep the end of an experiment's first run; a failed one gives way to the run of its repair."""
        known = self.first_runs.get(one.experiment)
        if known is None or known[1].loss is None:
            spent = self.searched[arm]
            self.first_runs[one.experiment] = (arm, one, spent, spent.plus(self.own[one.experiment], -0.5))

    def trajectories(self) -> list[Trajectory]:
        losses = screening_losses(self.found)
        mark = self._mark(losses)
        trials: defaultdict[str, list[Trial]] = defaultdict(list)
        for experiment, (arm, one, cost, middle) in self.first_runs.items():
            gain = mark - losses[experiment] if mark is not None and experiment in losses else None
            trials[arm].append(Trial(experiment, one.event_id, gain, cost, middle))
        return [
            Trajectory(
                log=self.log,
                campaign=self.campaign,
                arm=arm,
                trials=tuple(trials[arm]),
                discoveries=tuple(
                    self.first_runs[name][3] for name in self.discoveries[arm] if name in self.first_runs
                ),
                refuted=self.refuted[arm],
                cost=cost,
                search_cost=self.searched[arm],
            )
            for arm, cost in list(self.spent.items())
            if arm != BASELINE_ARM
        ]

    def _mark(self, losses: Mapping[str, float]) -> float | None:
        """Return the text loss of the best baseline."""
        return min((loss for name, loss in losses.items() if self.arms.get(name) == BASELINE_ARM), default=None)


def _cost_of(one: ExperimentOutcome) -> ArmCost:
    return ArmCost(seconds=one.seconds, flops=one.flops, tokens=one.tokens)
