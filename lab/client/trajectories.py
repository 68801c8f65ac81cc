"""What each arm of a campaign tried, what that cost, and what it found, read from the log alone.

An arm is what asked for an experiment: the search policy of a guided slot, or a control arm. The slots of the control
`random` are a small part of a campaign, and their arm is called `random control`: `random` is a whole campaign under
that policy. Experiments that people proposed are the arm `human`. The baselines are what gains are measured from, and
no arm.

A trial's gain is a *screening score*: one seed, text loss, best baseline less this design. A *discovery* is a
DiscoveryConfirmed event, nothing else.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from bus.wire.envelope import Envelope
from lab.client.outcomes import BASELINE_ARM, HUMAN_ARM, ExperimentOutcome, outcomes


@dataclass(frozen=True, slots=True)
class ArmCost:
    """What an arm has spent, failed runs included."""

    experiments: int = 0
    """Experiments that were opened."""
    seconds: float = 0.0
    """Wall seconds of its runs, those of verification included."""
    flops: float = 0.0
    """Floating-point operations of training in its completed runs, those of verification included."""
    tokens: float = 0.0
    """Tokens of language models, prompts and answers together, asked about its experiments."""


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
    """What the arm had spent by then."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One search: an arm of a campaign from its start to the end of the log."""

    log: str
    campaign: str
    arm: str
    trials: tuple[Trial, ...]
    """First runs, completed or failed, oldest first."""
    discoveries: tuple[ArmCost, ...]
    """What the arm had spent at each DiscoveryConfirmed."""
    refuted: int
    cost: ArmCost

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
    spent: defaultdict[str, ArmCost] = field(default_factory=lambda: defaultdict(ArmCost))
    first_runs: dict[str, tuple[str, ExperimentOutcome, ArmCost]] = field(default_factory=dict)
    """First run of each experiment: its arm, its end, the arm's cost."""
    discoveries: defaultdict[str, list[ArmCost]] = field(default_factory=lambda: defaultdict(list))
    refuted: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def read(self, one: ExperimentOutcome) -> None:
        arm = self.arms.get(one.experiment, HUMAN_ARM)
        match one.kind:
            case "opened":
                self._open(one)
            case "completed" | "failed":
                self._spend(arm, one)
                self._end(one, arm)
            case "sealed":
                self._spend(arm, one)
            case "asked" if one.experiment in self.arms:
                self._spend(arm, one)
            case "confirmed":
                self.discoveries[arm].append(self.spent[arm])
            case "refuted":
                self.refuted[arm] += 1

    def _open(self, one: ExperimentOutcome) -> None:
        self.arms[one.experiment] = one.arm
        self.spent[one.arm] = replace(self.spent[one.arm], experiments=self.spent[one.arm].experiments + 1)

    def _spend(self, arm: str, one: ExperimentOutcome) -> None:
        """Add a run or an answer to its arm's cost; sealed runs of baselines, which all arms share, are no arm's."""
        before = self.spent[arm]
        more = {cost: getattr(before, cost) + getattr(one, cost) for cost in ("seconds", "flops", "tokens")}
        self.spent[arm] = replace(before, **more)

    def _end(self, one: ExperimentOutcome, arm: str) -> None:
        """Keep the end of an experiment's first run; a failed one gives way to the run of its repair."""
        known = self.first_runs.get(one.experiment)
        if known is None or known[1].loss is None:
            self.first_runs[one.experiment] = (arm, one, self.spent[arm])

    def trajectories(self) -> list[Trajectory]:
        mark = self._mark()
        trials: defaultdict[str, list[Trial]] = defaultdict(list)
        for experiment, (arm, one, cost) in self.first_runs.items():
            gain = mark - one.loss if mark is not None and one.loss is not None else None
            trials[arm].append(Trial(experiment, one.event_id, gain, cost))
        return [
            Trajectory(
                self.log,
                self.campaign,
                arm,
                tuple(trials[arm]),
                tuple(self.discoveries[arm]),
                self.refuted[arm],
                cost,
            )
            for arm, cost in list(self.spent.items())
            if arm != BASELINE_ARM
        ]

    def _mark(self) -> float | None:
        """Return the text loss of the best baseline: the least, over names, of the mean over its experiments."""
        losses: defaultdict[str, list[float]] = defaultdict(list)
        for experiment, (arm, one, _) in self.first_runs.items():
            if arm == BASELINE_ARM and one.loss is not None:
                losses[experiment].append(one.loss)
        return min((fmean(values) for values in losses.values()), default=None)
