"""The calibration table of claims: `python -m benchmarks.evidence`.

Simulated campaigns show how often a design without a gain is called a discovery and how often a planted one is. Then
come the power of plans and the coverage of intervals. Everything draws from fixed seeds, so a figure changes only with
the code. The bars are those of the project: false confirmations in at most 5 % of campaigns, a planted design found in
at least 90 %, coverage of 93 to 97 %.
"""

import argparse
from collections.abc import Callable, Iterator

from benchmarks.evidence.campaigns import CampaignOutcome, ClaimCampaign, World, by_eager_t, by_verdict
from benchmarks.evidence.coverage import SEEDS, SHAPES, coverage
from benchmarks.evidence.noise import BLOCK_SD, CLOSE_BLOCK_SD
from benchmarks.evidence.power import GAINS, PLANS, power, visible_gain
from benchmarks.evidence.roles import role_lines
from benchmarks.evidence.shares import share

WORLDS = (
    World("all equal", 0.0),
    World("equal to the best baseline", 0.0, worse_baselines=True),
    World("equal, by blocks of documents", 0.0, worse_baselines=True, block_sd=BLOCK_SD),
    World("all better by .03 at nano alone", 0.0, nano_gain=0.03, worse_baselines=True),
    World("one better by .015", 0.015),
    World("one better by .020", 0.020),
    World("one better by .025", 0.025),
    World("three better by .025", 0.025, planted=3),
    World("one better by .025, by blocks", 0.025, worse_baselines=True, block_sd=CLOSE_BLOCK_SD),
)
RULES = {"verdict": by_verdict, "eager t test": by_eager_t}
MARGINS = (0.0, 0.005)
CANDIDATES = (1, 4, 8, 16)


def campaign_lines(campaigns: int) -> Iterator[str]:
    """Yield the table of false and planted confirmations."""
    yield "| world | rule | campaigns with a false one (95 % interval) | planted one confirmed | candidates' runs |"
    yield "| --- | --- | --- | --- | --- |"
    for world in WORLDS:
        for name, rule in RULES.items():
            outcomes = [ClaimCampaign(world, seed).run(rule) for seed in range(campaigns)]
            yield f"| {world.name} | {name} | {_row(world, outcomes)} |"


def _row(world: World, outcomes: list[CampaignOutcome]) -> str:
    false = share([one.false > 0 for one in outcomes])
    planted = share([k < one.planted for one in outcomes for k in range(world.planted)]) if world.gain else ""
    return f"{false} | {planted} | {sum(one.runs for one in outcomes) / len(outcomes):.0f}"


def power_lines(trials: int) -> Iterator[str]:
    """Yield the power of plans at one rung against one baseline, with the mean number of seeds."""
    for margin in MARGINS:
        yield f"\nPower at a margin of {margin:g} (mean seeds), paired sd .020:\n"
        yield f"| looks | candidates | {' | '.join(f'gain {gain:g}' for gain in GAINS)} | gain seen with power .8 |"
        yield "| --- " * (len(GAINS) + 3) + "|"
        for looks in PLANS:
            for candidates in CANDIDATES:
                yield _power_row(looks, margin, candidates, trials)


def _power_row(looks: tuple[int, ...], margin: float, candidates: int, trials: int) -> str:
    cells = (power(looks, gain, margin, candidates, trials) for gain in GAINS)
    figures = " | ".join(f"{share:.2f} ({seeds:.0f})" for share, seeds in cells)
    return (
        f"| {', '.join(map(str, looks))} | {candidates} | {figures} | {visible_gain(looks, margin, candidates):.4f} |"
    )


def coverage_lines(trials: int) -> Iterator[str]:
    """Yield how often each kind of interval holds the true gain."""
    yield f"\nCoverage of 95 % intervals, percent:\n\n| noise | interval | {' | '.join(f'{n} seeds' for n in SEEDS)} |"
    yield "| --- " * (len(SEEDS) + 2) + "|"
    for shape in SHAPES:
        by_seeds = [coverage(seeds, shape, trials) for seeds in SEEDS]
        for kind in by_seeds[0]:
            yield f"| {shape} | {kind} | {' | '.join(f'{100 * one[kind]:.1f}' for one in by_seeds)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=200, help="simulated campaigns per world and rule")
    parser.add_argument("--trials", type=int, default=2000, help="simulated claims and intervals per cell")
    parser.add_argument("--roles", action="store_true", help="run whole campaigns through the lab's roles, only")
    options = parser.parse_args()
    calibration: list[tuple[Callable[[int], Iterator[str]], int]] = [
        (campaign_lines, options.campaigns),
        (power_lines, options.trials),
        (coverage_lines, options.trials),
    ]
    tables = [(role_lines, options.campaigns)] if options.roles else calibration
    for lines, size in tables:
        for line in lines(size):
            print(line, flush=True)


if __name__ == "__main__":
    main()
