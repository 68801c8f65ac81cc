"""The verdict on a claim: confirmed, refuted, or which seeds to run next.

`judge` is the one place where a candidate becomes a discovery. It takes the plan, which was fixed before any sealed
run, the candidate's error level in the campaign's stream, and the paired gains seen so far. Its answer holds every
figure that it used, so whoever has the gains can compute it again.

A rung is passed when the candidate beats *every* baseline that climbed: the smallest e-value over the baselines reaches
1/level. A claim is confirmed when every rung of the plan is passed. Both are intersection-union tests (Berger 1982):
each part is tested at the whole level, and no correction over baselines or rungs is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, stdev
from typing import Literal

from agents.analysis.evidence.futility import predictive_power, smallest_gain
from agents.analysis.evidence.intervals import Interval, document_interval, seed_interval
from agents.analysis.evidence.sequential_test import evidence, lower_bound, upper_bound
from agents.analysis.evidence.stream import adjusted_p

Outcome = Literal["confirmed", "refuted", "go on"]
RungState = Literal["passed", "not shown", "futile", "open"]
DISPLAY_CONFIDENCE = 0.95
"""Confidence of the intervals that are shown next to the test's own bounds."""


@dataclass(frozen=True, slots=True)
class RungPlan:
    """What a claim must show at one rung."""

    rung: str
    margin: float
    """Gain that must be exceeded, in the measure's unit."""
    looks: tuple[int, ...]
    """Numbers of paired seeds at which the gains are judged, rising; the first is at least 2."""


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """What a claim must show, fixed before the first sealed run."""

    rungs: tuple[RungPlan, ...]
    """In the order in which they are climbed; every one must be passed."""
    alpha: float = 0.05
    """False discovery rate of the campaign."""
    futility: float = 0.05
    """A claim ends when its predicted probability of passing the rung falls below this; 0 never ends it early."""


@dataclass(frozen=True, slots=True)
class PairedGains:
    """A candidate's gains over one baseline, on the same seeds and the same data order; more is better."""

    baseline: str
    gains: tuple[float, ...]
    """One per seed, in the order of `RungGains.seeds`: the mean over the sealed documents."""
    blocks: tuple[tuple[float, ...], ...] = ()
    """The same gains by block of documents [seeds, blocks], if the runs report them."""


@dataclass(frozen=True, slots=True)
class RungGains:
    """What was measured at one rung. A seed belongs here only if every one of its runs has a score.

    A candidate whose run fails at a seed must not lose that seed: the caller refutes the claim instead.
    """

    rung: str
    seeds: tuple[int, ...]
    against: tuple[PairedGains, ...]
    """One per baseline that climbed to this rung; at least one."""
    final: bool = False
    """No further seeds come, so that this is the last look even with fewer seeds than the plan has."""


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """A candidate against one baseline at one rung."""

    baseline: str
    mean: float
    """Mean paired gain."""
    sd: float
    """Standard deviation of a paired gain over seeds."""
    e_value: float
    """Evidence for a mean gain above the margin; 1/level confirms. It is an e-value; at the last look it is the
    reciprocal of a p value that pays for the looks before."""
    low: float | None
    """Lower bound of the mean gain at the claim's level, valid at every look; None if so few seeds give none."""
    high: float | None
    """Upper bound, in the same sense."""
    seed_interval: Interval
    """95 % t interval over seeds, for display: valid for one look."""
    document_interval: Interval | None
    """Interval over seeds and documents at the claim's level, one look; None without blocks."""
    predictive_power: float
    """Predicted probability of passing at a later look; 0 after the last."""
    smallest_gain: float
    """Mean gain that the plan's last look would confirm with a power of 0.8, for this standard deviation."""


@dataclass(frozen=True, slots=True)
class RungEvidence:
    """A candidate against all baselines at one rung."""

    rung: str
    seeds: tuple[int, ...]
    state: RungState
    comparisons: tuple[BaselineComparison, ...]

    @property
    def hardest(self) -> BaselineComparison:
        """The best baseline: the one with the least evidence against it."""
        return min(self.comparisons, key=lambda one: (one.e_value, one.mean))


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """The verdict on a claim, with the figures that lead to it."""

    outcome: Outcome
    reason: str
    """One sentence."""
    level: float
    """Error level of this candidate; an e-value of 1/level confirms."""
    e_value: float
    """The smallest over baselines and over the plan's rungs with gains: the evidence for the whole claim."""
    adjusted_p: float
    """The campaign's smallest α at which the claim would be confirmed; 1 unless every rung has gains."""
    rungs: tuple[RungEvidence, ...]
    """In the plan's order, those with gains."""
    next_rung: str | None = None
    """Rung of the next look; None unless the outcome is "go on"."""
    next_seeds: int | None = None
    """Paired seeds in total at the next look."""


def judge(plan: ClaimPlan, level: float, measured: Sequence[RungGains]) -> ClaimVerdict:
    """Return the verdict on a claim at an error level (`stream.level`), from the gains measured so far.

    Any number of seeds from two on may be judged. Raises ValueError for gains that do not fit the plan: an unknown
    rung, a rung without baselines, or gains that differ in number from the seeds.
    """
    _check(plan, measured)
    gains = {one.rung: one for one in measured if len(one.seeds) >= 2}
    weighed = {rung.rung: _weigh(plan, rung, level, gains[rung.rung]) for rung in plan.rungs if rung.rung in gains}
    outcome, reason = _outcome(plan, weighed)
    evidence = min((one.hardest.e_value for one in weighed.values()), default=1.0)
    rung, seeds = _next_look(plan, weighed) if outcome == "go on" else (None, None)
    complete = len(weighed) == len(plan.rungs)
    p = adjusted_p(evidence, level / plan.alpha) if complete else 1.0
    return ClaimVerdict(outcome, reason, level, evidence, p, tuple(weighed.values()), rung, seeds)


def _check(plan: ClaimPlan, measured: Sequence[RungGains]) -> None:
    known = {rung.rung for rung in plan.rungs}
    for one in measured:
        if one.rung not in known:
            raise ValueError(f"the plan has no rung {one.rung!r}: {', '.join(sorted(known))}")
        if not one.against:
            raise ValueError(f"no baseline has gains at {one.rung}: a claim needs one to beat")
        for pair in one.against:
            if len(pair.gains) != len(one.seeds) or len(pair.blocks) not in {0, len(one.seeds)}:
                raise ValueError(f"{pair.baseline} at {one.rung}: {len(pair.gains)} gains for {len(one.seeds)} seeds")


def _weigh(plan: ClaimPlan, rung: RungPlan, level: float, measured: RungGains) -> RungEvidence:
    is_last = _is_last(rung, measured)
    comparisons = tuple(_compare(rung, level, pair, is_last=is_last) for pair in measured.against)
    return RungEvidence(rung.rung, measured.seeds, _state(plan, rung, level, measured, comparisons), comparisons)


def _is_last(rung: RungPlan, measured: RungGains) -> bool:
    return measured.final or len(measured.seeds) >= rung.looks[-1]


def _compare(rung: RungPlan, level: float, pair: PairedGains, *, is_last: bool) -> BaselineComparison:
    gains, sd = pair.gains, stdev(pair.gains)
    return BaselineComparison(
        baseline=pair.baseline,
        mean=fmean(gains),
        sd=sd,
        e_value=evidence(gains, rung.margin, rung.looks, is_last=is_last),
        low=_finite(lower_bound(gains, level, rung.looks, is_last=is_last)),
        high=_finite(upper_bound(gains, level, rung.looks, is_last=is_last)),
        seed_interval=seed_interval(gains, DISPLAY_CONFIDENCE),
        document_interval=document_interval(pair.blocks, 1.0 - 2.0 * level) if pair.blocks else None,
        predictive_power=0.0 if is_last else predictive_power(gains, rung.margin, level, rung.looks),
        smallest_gain=smallest_gain(sd, rung.margin, level, rung.looks),
    )


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _state(
    plan: ClaimPlan, rung: RungPlan, level: float, measured: RungGains, comparisons: Sequence[BaselineComparison]
) -> RungState:
    if all(_beaten(rung, level, one) for one in comparisons):
        return "passed"
    if _is_last(rung, measured):
        return "not shown"
    hopeless = (not _crossed(level, one) and one.predictive_power < plan.futility for one in comparisons)
    return "futile" if any(hopeless) else "open"


def _crossed(level: float, one: BaselineComparison) -> bool:
    return one.e_value * level >= 1.0


def _beaten(rung: RungPlan, level: float, one: BaselineComparison) -> bool:
    """Return whether a baseline is beaten over seeds and, where blocks are reported, over documents too."""
    documents = one.document_interval
    return _crossed(level, one) and (documents is None or documents.low > rung.margin)


def _outcome(plan: ClaimPlan, weighed: Mapping[str, RungEvidence]) -> tuple[Outcome, str]:
    for one in weighed.values():
        if one.state in {"not shown", "futile"}:
            return "refuted", _refutation(one)
    if all(rung.rung in weighed and weighed[rung.rung].state == "passed" for rung in plan.rungs):
        return "confirmed", f"every baseline is beaten at {' and '.join(weighed)}"
    return "go on", "the plan has further looks"


def _refutation(one: RungEvidence) -> str:
    hardest = one.hardest
    why = "can't succeed within the plan" if one.state == "futile" else "is not shown at the plan's last look"
    return (
        f"a gain over {hardest.baseline} at {one.rung} {why}: "
        f"{hardest.mean:+.4f} ± {hardest.sd:.4f} over {len(one.seeds)} seeds, e-value {hardest.e_value:.3g}"
    )


def _next_look(plan: ClaimPlan, weighed: Mapping[str, RungEvidence]) -> tuple[str, int]:
    """Return the first rung that is not passed, and the number of seeds of its next look."""
    for rung in plan.rungs:
        one = weighed.get(rung.rung)
        if one is None:
            return rung.rung, rung.looks[0]
        if one.state == "open":
            return rung.rung, next(look for look in rung.looks if look > len(one.seeds))
    raise AssertionError("a claim that goes on has a rung that is not passed")
