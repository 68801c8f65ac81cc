"""The long form, `make chaos`: campaigns by ascending seed until enough kills and experiments are behind us.

    python -m tests.chaos.long --kills 1000 --experiments 500

Prints a line a campaign and a sum at the end; exit code 1 where anything was not as it must be.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from lab.observability import logs
from tests.chaos.driver import Monkey, endure, examine, tell

EACH = 120
"""Experiments of one campaign."""


def main() -> None:
    """Kill until it is enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--every", type=float, default=3.0, help="mean events between kills")
    parser.add_argument("--seconds", type=float, default=7200.0, help="begin no campaign after so long")
    parser.add_argument("--first-seed", type=int, default=1)
    wanted = parser.parse_args()
    logs.configure(level=50)
    begun, seed, experiments, kills, faulty = time.monotonic(), wanted.first_seed, 0, Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        reference = endure(Path(folder) / "calm", experiments=EACH, slots=wanted.slots, seed=0)
        print(json.dumps({"reference": len(reference.ends()), "seconds": round(reference.seconds, 1)}), flush=True)
        while kills.total() < wanted.kills or experiments < wanted.experiments:
            if time.monotonic() - begun > wanted.seconds:
                break
            with tempfile.TemporaryDirectory() as home:
                monkey = Monkey(Path(home), seed, wanted.every)
                left = endure(monkey.home, monkey, experiments=EACH, slots=wanted.slots, seed=0)
                faults = examine(left, reference)
            print(tell(left, monkey, faults), flush=True)
            seed, experiments, kills = seed + 1, experiments + len(left.ends()), kills + monkey.kills
            faulty += bool(faults)
    summed = {"campaigns": seed - wanted.first_seed, "experiments": experiments, "kills": kills.total()}
    print(json.dumps(summed | {"by_service": kills, "faulty": faulty, "seconds": round(time.monotonic() - begun)}))
    sys.exit(1 if faulty or kills.total() < wanted.kills or experiments < wanted.experiments else 0)


if __name__ == "__main__":
    main()
