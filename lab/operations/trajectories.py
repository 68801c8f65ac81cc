"""What each arm of a campaign tried, what that cost, and what it found, read from the log alone.

An arm is what asked for an experiment: the search policy of a guided slot, or a control arm. The slots of the control
`random` are a small part of a campaign, and their arm is called `random control`: `random` is a whole campaign under
that policy. Experiments that people proposed are the arm `human`. The baselines are what gains are measured from, and
no arm.

A trial's gain is a *screening score*: one seed, text loss, best baseline less this design. A *discovery* is a
DiscoveryConfirmed event, nothing else.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import fmean

from bus.vocabulary.events import (
    UNGUIDED_ARMS,
    CampaignStarted,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    Metrics,
    ModelAnswered,
    ProposalCreated,
    ProposalRequested,
    RunCompleted,
    RunFailed,
    RunStarted,
    VerificationCompleted,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import is_placebo

BASELINE_ARM = "baseline"
HUMAN_ARM = "human"
TRAINING_TO_FORWARD = 3.0
"""FLOPs of a training step per FLOP of its forward pass: the backward pass costs two."""


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
    campaigns: dict[str, _Reading] = {}
    for one in (one for one in history if not is_placebo(one.experiment)):
        campaigns.setdefault(one.campaign, _Reading(log, one.campaign)).read(one)
    return [trajectory for reading in campaigns.values() for trajectory in reading.trajectories()]


def _cost(metrics: Metrics) -> dict[str, float]:
    """Return the wall seconds of a run, and the floating-point operations of its training."""
    cost = metrics.cost
    flops = TRAINING_TO_FORWARD * cost.get("flops_per_token", 0.0) * cost.get("tokens", 0.0)
    return {"seconds": cost.get("seconds", 0.0), "flops": flops}


@dataclass(slots=True)
class _Reading:
    """One campaign, read event by event."""

    log: str
    campaign: str
    policy: str = "guided"
    arms: dict[str, str] = field(default_factory=dict)
    """Arm of each experiment."""
    spent: defaultdict[str, ArmCost] = field(default_factory=lambda: defaultdict(ArmCost))
    outcomes: dict[str, tuple[str, Envelope, Metrics | None, ArmCost]] = field(default_factory=dict)
    """First run of each experiment: its arm, the event, its figures, the arm's cost."""
    discoveries: defaultdict[str, list[ArmCost]] = field(default_factory=lambda: defaultdict(list))
    refuted: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    started: dict[str, datetime] = field(default_factory=dict)

    def read(self, one: Envelope) -> None:
        event, arm = one.event, self.arms.get(one.experiment, HUMAN_ARM)
        if isinstance(event, CampaignStarted):
            self.policy = event.policy
        elif isinstance(event, ProposalRequested):
            self._open(one.experiment, self._arm_name(event.arm))
        elif isinstance(event, ProposalCreated) and one.experiment not in self.arms:
            self._open(one.experiment, BASELINE_ARM if event.origin == "baseline" else HUMAN_ARM)
        elif isinstance(event, DiscoveryConfirmed):
            self.discoveries[arm].append(self.spent[arm])
        elif isinstance(event, DiscoveryRefuted):
            self.refuted[arm] += 1
        else:
            self._account(one, arm)

    def _account(self, one: Envelope, arm: str) -> None:
        """Add what a run or an answer took to its arm's cost, and keep how a first run ended."""
        event = one.event
        if isinstance(event, RunStarted):
            self.started[event.run] = one.time
        elif isinstance(event, RunCompleted | VerificationCompleted):
            self._spend(arm, **_cost(event.metrics))
            if isinstance(event, RunCompleted):
                self._end(one, arm, event.metrics)
        elif isinstance(event, RunFailed):
            begun = self.started.get(event.run, one.time)
            self._spend(arm, seconds=(one.time - begun).total_seconds())
            self._end(one, arm, None)
        elif isinstance(event, ModelAnswered) and one.experiment in self.arms:
            self._spend(arm, tokens=float(event.account.tokens_in + event.account.tokens_out))

    def _arm_name(self, arm: str) -> str:
        if arm == "guided":
            return self.policy
        return f"{arm} control" if arm in UNGUIDED_ARMS else arm

    def _open(self, experiment: str, arm: str) -> None:
        self.arms[experiment] = arm
        self.spent[arm] = replace(self.spent[arm], experiments=self.spent[arm].experiments + 1)

    def _spend(self, arm: str, **costs: float) -> None:
        """Add costs to an arm's; sealed runs of baselines, which all arms share, are no arm's."""
        before = self.spent[arm]
        self.spent[arm] = replace(before, **{cost: getattr(before, cost) + more for cost, more in costs.items()})

    def _end(self, one: Envelope, arm: str, metrics: Metrics | None) -> None:
        """Keep the outcome of an experiment's first run; a failed one gives way to the run of its repair."""
        known = self.outcomes.get(one.experiment)
        if known is None or known[2] is None:
            self.outcomes[one.experiment] = (arm, one, metrics, self.spent[arm])

    def trajectories(self) -> list[Trajectory]:
        mark = self._mark()
        trials: defaultdict[str, list[Trial]] = defaultdict(list)
        for experiment, (arm, one, metrics, cost) in self.outcomes.items():
            gain = mark - metrics.val_loss if mark is not None and metrics is not None else None
            trials[arm].append(Trial(experiment, one.id, gain, cost))
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
        for experiment, (arm, _, metrics, _) in self.outcomes.items():
            if arm == BASELINE_ARM and metrics is not None:
                losses[experiment].append(metrics.val_loss)
        return min((fmean(values) for values in losses.values()), default=None)
