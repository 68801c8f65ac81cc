"""Soak test (`make chaos`): campaigns under random kills, until enough processes were killed and experiments ended.

    python -m tests.chaos.soak --kills 1000 --experiments 500

It prints one line for each campaign and a total. The exit code is 1 if a campaign had a fault, or if the time was over
before the numbers were reached.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from lab.observability import logs
from tests.support.kill_campaign import RandomKiller, run_under_kills
from tests.support.outcome_faults import faults_of, summary_line

EXPERIMENTS = 120
"""Experiments of one campaign."""
SEED = 0
"""Seed of every campaign; the seed of the kills differs."""
CRITICAL = 50
"""Level of the logs: the kills fill the lower ones."""


@dataclass
class Totals:
    """Figures over all campaigns."""

    campaigns: int = 0
    experiments: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faulty: int = 0
    """Campaigns with a fault."""

    def reach(self, options: argparse.Namespace) -> bool:
        """Return True if there were enough kills and experiments."""
        return self.kills.total() >= options.kills and self.experiments >= options.experiments


def main() -> int:
    """Run campaigns until the numbers are reached or the time is over, and return the exit code."""
    options = _options()
    logs.configure(level=CRITICAL)
    start, totals = time.monotonic(), Totals()
    plan = {"experiments": EXPERIMENTS, "slots": options.slots, "seed": SEED}
    while not totals.reach(options) and time.monotonic() - start <= options.seconds:
        with tempfile.TemporaryDirectory() as home:
            killer = RandomKiller(Path(home), options.first_seed + totals.campaigns, options.mean_events)
            outcome = run_under_kills(killer, **plan)
            faults = faults_of(outcome, EXPERIMENTS)
        print(summary_line(outcome, killer, faults), flush=True)
        totals.campaigns += 1
        totals.experiments += len(outcome.ends())
        totals.kills += killer.kills
        totals.faulty += bool(faults)
    print(json.dumps(_total_line(totals) | {"seconds": round(time.monotonic() - start)}))
    return 0 if totals.reach(options) and not totals.faulty else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="processes to kill, over all campaigns")
    parser.add_argument("--experiments", type=int, default=500, help="experiments to end, over all campaigns")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--mean-events", type=float, default=3.0, help="mean number of events between two kills")
    parser.add_argument("--seconds", type=float, default=7200.0, help="start no campaign after this time")
    parser.add_argument("--first-seed", type=int, default=1, help="seed of the first campaign's kills")
    return parser.parse_args()


def _total_line(totals: Totals) -> dict[str, object]:
    return {
        "campaigns": totals.campaigns,
        "experiments": totals.experiments,
        "kills": totals.kills.total(),
        "by_service": totals.kills,
        "faulty": totals.faulty,
    }


if __name__ == "__main__":
    sys.exit(main())
