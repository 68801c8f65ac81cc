"""Programs that search, evolved: canaries, a null control, a planted program, and the gain over seeds and controls.

    python -m benchmarks.adas [--only canaries,null,planted,cost,gain] [--programs 60] [--roots 41 42] [--tables DIR]

- `canaries`: programs and frauds that must be caught, each under a name (`benchmarks.adas.canaries`);
- `null`: campaigns on ground where all programs are equal; how often one claims a gain, at most 5 % expected;
- `planted`: a program is known that is better than every seed; how often a campaign finds one as good;
- `cost`: CPU seconds of evaluations and of a campaign (`benchmarks.adas.costs`);
- `gain`: a campaign and its control arms on the same landscapes, for every root (`benchmarks.adas.gains`);
- `transfer`: the winners in --logs on the tables of --tables, only if asked for (`benchmarks.adas.transfer`).

Programs are rendered from genomes, so all but the canaries run in this process (`benchmarks.adas.trusted`).
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.adas.canaries import all_canaries
from benchmarks.adas.controls import claims_a_gain, planted_campaign
from benchmarks.adas.costs import cost
from benchmarks.adas.gains import gain
from benchmarks.adas.transfer import transfer

Section = Callable[[argparse.Namespace], Iterator[str]]


def canaries(_: argparse.Namespace) -> Iterator[str]:
    """Yield how every canary ended."""
    yield "| canary | caught as | detail |\n| --- | --- | --- |"
    for one in all_canaries():
        yield f"| {one.canary} | {one.name or 'LIVED'} | {one.detail.replace('|', ' ')[:90]} |"


def null(options: argparse.Namespace) -> Iterator[str]:
    """Yield how often a campaign claims a gain where there is none."""
    with ProcessPoolExecutor(options.jobs) as pool:
        claims = sum(pool.map(claims_a_gain, range(options.nulls)))
    yield "| campaigns where all programs are equal | claim a gain | share, % |\n| --- | --- | --- |"
    yield f"| {options.nulls} | {claims} | {100 * claims / options.nulls:.1f} |"


def planted(options: argparse.Namespace) -> Iterator[str]:
    """Yield in how many campaigns a program as good as the planted one was found."""
    yield "| seed | best seed's gain | planted | found | promoted |\n| --- | --- | --- | --- | --- |"
    found = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        for seed, one in enumerate(pool.map(planted_campaign, range(options.seeds))):
            found += one.is_found
            promoted = "yes" if one.promoted else "no"
            yield f"| {seed} | {one.seed:+.2f} | {one.planted:+.2f} | {one.found:+.2f} | {promoted} |"
    yield f"planted program: found in {found} of {options.seeds} campaigns"


SECTIONS: dict[str, Section] = {"canaries": canaries, "null": null, "planted": planted, "cost": cost, "gain": gain}
FURTHER: dict[str, Section] = {"transfer": transfer}
"""Sections that need the logs of others."""


def main() -> int:
    """Run the sections and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections")
    parser.add_argument("--programs", type=int, default=60, help="new programs of a campaign")
    parser.add_argument("--nulls", type=int, default=200, help="campaigns of the null control")
    parser.add_argument("--seeds", type=int, default=10, help="campaigns with a planted program")
    parser.add_argument("--roots", type=int, nargs="+", default=[37], help="roots of the landscapes, a campaign each")
    parser.add_argument("--logs", type=Path, help="folder that keeps the campaigns' logs; what is there is continued")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="folders of tables, as further families")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(SECTIONS | FURTHER):
        print(f"unknown: {', '.join(sorted(unknown))}; sections: {', '.join(SECTIONS | FURTHER)}", file=sys.stderr)
        return 2
    for name in options.only.split(","):
        print(f"\n## {name}", flush=True)
        for line in (SECTIONS | FURTHER)[name](options):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
