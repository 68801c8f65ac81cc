"""Simulated campaigns: candidates are verified one after the other, by the lab's own verdict, level and admission.

Every candidate is judged at each look of the plan, so stopping is optional. All of them are measured against the same
runs of the same baselines. One candidate in five is a near-duplicate of the one before: every other of those has its
structure and is not verified, the rest have another one and nearly the same scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.analysis.evidence.stream import admits, level
from agents.analysis.evidence.verdict import ClaimPlan, PairedGains, RungGains, RungPlan, judge
from benchmarks.evidence.noise import BLOCKS, Numbers, SimulatedDesign, block_effects, own_scores

CANDIDATES = 8
"""Structures that the plan verifies at most."""
LOOKS = (5, 10, 20, 40)
DUPLICATE_EVERY = 5
PLAN = ClaimPlan((RungPlan("nano", 0.0, LOOKS), RungPlan("micro", 0.0, LOOKS)))


@dataclass(frozen=True, slots=True)
class World:
    """What is true in a simulated campaign."""

    name: str
    gain: float
    """True gain over the baselines of the planted candidates at both rungs, in nats; the others have none."""
    planted: int = 1
    """Number of planted candidates, if there is a gain."""
    nano_gain: float = 0.0
    """Gain of every candidate at nano alone, which does not carry over to micro."""
    worse_baselines: bool = False
    """Whether all baselines but one are far behind, so that only one is in the way of a false claim."""
    block_sd: float | None = None
    """Spread of the gain over blocks of documents; None for runs that report no blocks."""


@dataclass(frozen=True, slots=True)
class CampaignOutcome:
    """What a simulated campaign claimed, and what it cost."""

    planted: int
    """Confirmed candidates with a gain."""
    false: int
    """Confirmed candidates without a gain."""
    runs: int
    """Candidates' runs at all rungs."""


def _near_duplicates() -> list[int]:
    return list(range(DUPLICATE_EVERY - 1, 2 * CANDIDATES, DUPLICATE_EVERY))


class ClaimCampaign:
    """One simulated campaign: its designs, and every score that they would have at every seed."""

    def __init__(self, world: World, seed: int, plan: ClaimPlan = PLAN) -> None:
        """Draw the designs and all scores."""
        self.world, self.plan = world, plan
        self.rng = np.random.default_rng([seed, *world.name.encode()])
        behind = [0.0, -0.1, -0.1] if world.worse_baselines else [0.0, 0.0, 0.0]
        self.baselines = [self._scores(SimulatedDesign(mean, "")) for mean in behind]
        self.designs = self._draw_designs()

    def _draw_designs(self) -> list[SimulatedDesign]:
        """Return twice as many candidates as the plan admits; the planted ones are among the first that it verifies."""
        designs = [SimulatedDesign(0.0, f"structure-{number}") for number in range(2 * CANDIDATES)]
        for number in _near_duplicates()[::2]:
            designs[number] = designs[number - 1]
        if self.world.gain:
            singles = set(range(CANDIDATES)) - {n - k for n in _near_duplicates() for k in (0, 1)}
            for planted in self.rng.choice(sorted(singles), self.world.planted, replace=False):
                designs[planted] = replace(designs[planted], mean=self.world.gain)
        return designs

    def _scores(self, design: SimulatedDesign, twin: dict[str, Numbers] | None = None) -> dict[str, Numbers]:
        return {
            rung.rung: own_scores(self.rng, design, rung.looks[-1], twin[rung.rung] if twin else None)
            for rung in self.plan.rungs
        }

    def run(self, claim: "Rule") -> CampaignOutcome:
        """Verify the candidates in their order with a rule for claims, and return the outcome."""
        verified: list[str] = []
        planted, false, runs = 0, 0, 0
        scores: dict[str, Numbers] = {}
        for number, design in enumerate(self.designs):
            scores = self._scores(design, scores if number in _near_duplicates() else None)
            if not admits(verified, design.structure, CANDIDATES):
                continue
            verified.append(design.structure)
            confirmed, used = claim(self, self._gains(scores), planted + false)
            runs += used
            planted += confirmed and design.mean > 0
            false += confirmed and not design.mean
        return CampaignOutcome(planted, false, runs)

    def _gains(self, scores: dict[str, Numbers]) -> dict[str, list[Numbers]]:
        """Return gains [seeds, blocks] over each baseline by rung; one block stands for the mean over documents."""
        bonus = {"nano": self.world.nano_gain}
        return {
            rung: [self._by_block(mine + bonus.get(rung, 0.0) - base[rung]) for base in self.baselines]
            for rung, mine in scores.items()
        }

    def _by_block(self, gains: Numbers) -> Numbers:
        if self.world.block_sd is None:
            return gains[:, None]
        return gains[:, None] + block_effects(self.rng, len(gains), self.world.block_sd)


Rule = Callable[[ClaimCampaign, dict[str, list[Numbers]], int], tuple[bool, int]]
"""Takes a campaign, a candidate's gains over each baseline by rung, and the number of discoveries; returns whether
the candidate is claimed, and its runs."""


def by_verdict(campaign: ClaimCampaign, gains: dict[str, list[Numbers]], discoveries: int) -> tuple[bool, int]:
    """Follow the verdict from look to look; return whether the claim is confirmed, and the candidate's runs."""
    error_level = level(campaign.plan.alpha, candidates=CANDIDATES, discoveries=discoveries)
    seeds: dict[str, int] = {}
    while True:
        measured = [_measured(rung, gains[rung], count) for rung, count in seeds.items()]
        verdict = judge(campaign.plan, error_level, measured)
        if verdict.outcome != "go on":
            return verdict.outcome == "confirmed", sum(seeds.values())
        assert verdict.next_rung is not None
        assert verdict.next_seeds is not None
        seeds[verdict.next_rung] = verdict.next_seeds


def _measured(rung: str, gains: Sequence[Numbers], seeds: int) -> RungGains:
    against = tuple(_pair(f"baseline-{number}", one[:seeds]) for number, one in enumerate(gains))
    return RungGains(rung, tuple(range(seeds)), against)


def _pair(name: str, gains: Numbers) -> PairedGains:
    blocks = tuple(map(tuple, gains.tolist())) if gains.shape[1] == BLOCKS else ()
    return PairedGains(name, tuple(gains.mean(axis=1).tolist()), blocks)


def by_eager_t(campaign: ClaimCampaign, gains: dict[str, list[Numbers]], discoveries: int) -> tuple[bool, int]:
    """Claim at the first look at which a t test against the weakest baseline gives p < 0.05, at nano alone.

    This is what the usual table does: no correction for looks, candidates or baselines. It is here for comparison.
    """
    del discoveries
    weakest = max(gains["nano"], key=lambda one: float(one.mean()))
    means = weakest.mean(axis=1)
    crossed = [look for look in LOOKS if _t_statistic(means[:look]) > 2.0]
    return bool(crossed), crossed[0] if crossed else campaign.plan.rungs[0].looks[-1]


def _t_statistic(gains: Numbers) -> float:
    return float(gains.mean() / gains.std(ddof=1) * len(gains) ** 0.5)
