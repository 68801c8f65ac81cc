"""What the best designs of several campaigns are truly worth: `python -m benchmarks.live_arms OUT.jsonl LOG...`.

Campaigns are pooled by policy, and their control arms are left out. Every policy has as many campaigns, and of every
campaign as many designs count, the first ones: seconds of runs depend on what else the machine did. Of each policy the
best designs are trained again, with Mamba-2, on the same fresh seeds, and scored on sealed text; the best are those
that gained most over Mamba-2 in the screening of their own campaign, since losses of two screening seeds don't compare.
Prints, for each design, that gain, its mean loss and its paired gain over Mamba-2 on the fresh seeds with a t interval;
then each policy's best mean, and the mean of its best with its paired difference to the first policy. The best of
several means is flattered by luck, equally for all policies. A placebo, Mamba-2 under other seeds, shows what no gain
looks like. `OUT.jsonl` keeps the runs; those that it holds already are not repeated.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean

from agents.analysis.evidence.intervals import seed_interval
from agents.design import BASELINES
from benchmarks.kept_runs import KeptRun, PlannedTraining, collect
from bus.wire.ids import BASELINE_PREFIX
from lab.operations.campaign_report.logs import CampaignLog, read_log

FIRST_SEED = 900_000
"""Seeds from here on are of no campaign's screening."""
RIVAL = "mamba2"
PLACEBO = "placebo"
PLACEBO_SEEDS = 1000
"""How far the seeds of the placebo are from those of everything else."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Finalist:
    """A design that is trained again."""

    policy: str
    name: str
    """Campaign and experiment."""
    source: str
    screened: float
    """By how much it was below Mamba-2's text loss in the screening of its campaign, nats per byte."""


def finalists(logs: Sequence[CampaignLog], count: int) -> Iterator[Finalist]:
    """Yield the best designs of each policy, among the same number of designs in each campaign.

    Raises ValueError if policies have not the same number of campaigns.
    """
    by_policy: dict[str, list[CampaignLog]] = {}
    for log in logs:
        by_policy.setdefault(log.started.policy, []).append(log)
    if len({len(own) for own in by_policy.values()}) > 1:
        numbers = ", ".join(f"{policy} {len(own)}" for policy, own in by_policy.items())
        raise ValueError(f"policies need as many campaigns each, not {numbers}")
    trials = min(len(_searched(log)) for log in logs)
    for own in by_policy.values():
        tried = [one for log in own for one in _among_first(log, trials)]
        yield from sorted(tried, key=lambda one: -one.screened)[:count]


def _searched(log: CampaignLog) -> list[str]:
    """Return the experiments of a campaign's policy whose run ended, in the order of the log."""
    own = {one.experiment for one in log.outcomes if one.kind == "opened" and one.arm == log.started.policy}
    ends = (one.experiment for one in log.outcomes if one.kind in {"completed", "failed"} and one.experiment in own)
    return list(dict.fromkeys(ends))


def _among_first(log: CampaignLog, trials: int) -> Iterator[Finalist]:
    """Yield the scored designs among the first that a campaign's policy tried."""
    rival = log.scored[BASELINE_PREFIX + RIVAL].loss
    for experiment in _searched(log)[:trials]:
        if scored := log.scored.get(experiment):
            yield Finalist(log.started.policy, f"{log.name} {experiment}", scored.source, rival - scored.loss)


def trainings(chosen: Sequence[Finalist], seeds: int) -> Iterator[PlannedTraining]:
    """Yield the runs of the finalists, of Mamba-2 and of the placebo, one seed after another."""
    for seed, name in product(range(FIRST_SEED, FIRST_SEED + seeds), [RIVAL, PLACEBO, *(one.name for one in chosen)]):
        yield PlannedTraining(name, seed + PLACEBO_SEEDS * (name == PLACEBO), sealed=True)


def lines(chosen: Sequence[Finalist], runs: Sequence[KeptRun]) -> Iterator[str]:
    """Yield the lines of both tables."""
    losses: dict[str, dict[int, float]] = {RIVAL: {}, PLACEBO: {}}
    for run in runs:
        if run.loss is not None:
            name, seed = run.training.design, run.training.seed
            losses.setdefault(name, {})[seed - PLACEBO_SEEDS * (name == PLACEBO)] = run.loss
    yield f"| policy | design | screening gain | mean loss | gain over {RIVAL} | 95 % interval | seeds |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for one in chosen:
        yield f"| {one.policy} | {one.name} | {one.screened:+.4f} | {_worth(losses.get(one.name, {}), losses[RIVAL])} |"
    yield f"| {PLACEBO} | {RIVAL} | – | {_worth(losses[PLACEBO], losses[RIVAL])} |"
    policies = list(dict.fromkeys(one.policy for one in chosen))
    yield ""
    yield f"| policy | best mean loss | mean of the best | less than {policies[0]}'s by | 95 % interval | seeds |"
    yield "| --- | --- | --- | --- | --- | --- |"
    of_policy = {policy: [losses[one.name] for one in chosen if one.policy == policy and one.name in losses]
                 for policy in policies}  # fmt: skip
    first = _seed_means(of_policy[policies[0]])
    for policy, own in of_policy.items():
        best, mean = min(fmean(one.values()) for one in own), _seed_means(own)
        rest = "– | – | –" if policy == policies[0] else _gain(mean, first)
        yield f"| {policy} | {best:.4f} | {fmean(mean.values()):.4f} | {rest} |"
    yield f"| {RIVAL} | {fmean(losses[RIVAL].values()):.4f} | – | – | – | – |"


def _seed_means(designs: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return the mean loss of several designs for each seed that all of them have."""
    shared = set(designs[0]).intersection(*designs[1:])
    return {seed: fmean(one[seed] for one in designs) for seed in sorted(shared)}


def _worth(own: Mapping[int, float], rival: Mapping[int, float]) -> str:
    """Return a design's mean loss, its paired gain with the interval, and the number of pairs, as cells."""
    return f"{fmean(own.values()):.4f} | {_gain(own, rival)}" if len(own) > 1 else "failed | – | – | 0"


def _gain(own: Mapping[int, float], rival: Mapping[int, float]) -> str:
    """Return by how much the losses are below others with the same seeds, the interval, and the number of seeds."""
    gains = [rival[seed] - own[seed] for seed in own if seed in rival]
    if len(gains) < 2:
        return f"– | – | {len(gains)}"
    low, high = seed_interval(gains, CONFIDENCE)
    return f"{fmean(gains):+.4f} | {low:+.4f} to {high:+.4f} | {len(gains)}"


def main() -> None:
    """Train the finalists and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--best", type=int, default=5, help="designs of each policy")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, each on a core")
    options = parser.parse_args()
    try:
        chosen = list(finalists([log for file in options.logs for log in read_log(file)], options.best))
    except ValueError as error:
        raise SystemExit(str(error)) from None
    rival = BASELINES[RIVAL].source
    texts = {RIVAL: rival, PLACEBO: rival} | {one.name: one.source for one in chosen}
    runs = collect(options.out, texts, trainings(chosen, options.seeds), options.jobs)
    print("\n".join(lines(chosen, runs)))


if __name__ == "__main__":
    main()
