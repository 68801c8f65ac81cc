"""Programs that search, evolved: canaries, a null control, a planted program, and the gain over seeds and controls.

    python -m benchmarks.adas [--only canaries,null,planted,gain] [--programs 60] [--nulls 200] [--tables FOLDER]

- `canaries`: programs and frauds that must be caught, each under a name (`benchmarks.adas.canaries`);
- `null`: campaigns on ground where all programs are equal; how often one claims a gain, at most 5 % expected;
- `planted`: a program is known that is better than every seed; how often a campaign finds one as good;
- `gain`: a campaign and its control arms on the same landscapes. Selection is on `validation`, and each campaign has
  one look at `held_out`. With `--tables`, published tables are families too.

Programs are rendered from genomes, so all but the canaries run in this process (`benchmarks.adas.trusted`).
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from agents.meta.evidence import PairedGain, paired_gain
from agents.meta.history import MetaHistory, MetaProgram
from agents.meta.planning import chosen, held_out
from agents.meta.rendering import summary
from benchmarks.adas.canaries import all_canaries
from benchmarks.adas.controls import claims_a_gain, planted_campaign
from benchmarks.adas.trusted import trusted
from lab.client.event_text import event_line
from lab.operations.evolving import evolve, meta_settings, require_honest
from lab.researchers.families import simulated_families, table_families
from lab.researchers.meta_log import MetaLog
from lab.researchers.scoring import Scorer

CONTROLS = ("no_archive", "random", "seeds_only")
"""Arms without an archive, without parents, and without new programs."""
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
    yield f"null control: {claims} of {options.nulls} campaigns claim a gain ({100 * claims / options.nulls:.1f} %)"


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


def gain(options: argparse.Namespace) -> Iterator[str]:
    """Yield the winner's gain over the best seed and over the winner of each control arm, on held-out landscapes."""
    with ProcessPoolExecutor(options.jobs) as pool:
        ours, *controls = pool.map(partial(campaign, options), ("evolve", *CONTROLS))
    seed, winner = chosen(ours)
    assert seed, "every campaign has seeds"
    assert winner, "it was asked for programs"
    assert winner.genome, "it was rendered"
    yield f"best seed {seed.id}, winner {winner.id}: {summary(winner.genome)}"
    yield f"genome {winner.genome.model_dump_json(exclude_defaults=True)}"
    yield f"promoted: {', '.join(ours.promoted) or 'none'}"
    yield "| compared with | program | gain | 95 % interval | landscapes |\n| --- | --- | --- | --- | --- |"
    yield _row("best seed", seed, winner)
    for arm, history in zip(CONTROLS, controls, strict=True):
        rival = next(one for one in reversed(chosen(history)) if one and held_out(one))
        yield _row(arm, rival, winner)
    yield "| family | best seed | winner |\n| --- | --- | --- |"
    yield from _by_family(seed, winner)


def campaign(options: argparse.Namespace, arm: str) -> MetaHistory:
    """Return a whole campaign of an arm, audited."""
    families = (*simulated_families(), *(table_families(options.tables) if options.tables else ()))
    plan = meta_settings(families, options.programs, options.root, arm)
    with TemporaryDirectory() as folder, MetaLog(Path(folder) / "log.jsonl") as log:
        scorer = Scorer(families, plan.root, trusted, plan.landscapes)
        history = evolve(log, scorer, plan, 0, lambda one: print(arm, event_line(one), file=sys.stderr))
        require_honest(history.log, arm)
        return history


def _row(name: str, rival: MetaProgram, winner: MetaProgram) -> str:
    difference = _difference(rival, winner)
    if difference is None:
        return f"| {name} | {rival.id} | failed | – | – |"
    interval = f"[{difference.low:+.3f}, {difference.high:+.3f}]"
    return f"| {name} | {rival.id} | {difference.mean:+.3f} | {interval} | {difference.pairs} |"


def _difference(rival: MetaProgram, winner: MetaProgram) -> PairedGain | None:
    theirs, ours = held_out(rival), held_out(winner)
    return paired_gain(ours.families, theirs.families) if ours and theirs else None


def _by_family(seed: MetaProgram, winner: MetaProgram) -> Iterator[str]:
    theirs, ours = held_out(seed), held_out(winner)
    if theirs and ours:
        for name, figures in ours.families.items():
            of_seed = theirs.families[name].gains
            means = [sum(gains) / len(gains) for gains in (of_seed, figures.gains)]
            yield f"| {name} | {means[0]:+.3f} | {means[1]:+.3f} |"


SECTIONS: dict[str, Section] = {"canaries": canaries, "null": null, "planted": planted, "gain": gain}


def main() -> int:
    """Run the sections and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections")
    parser.add_argument("--programs", type=int, default=60, help="new programs of a campaign")
    parser.add_argument("--nulls", type=int, default=200, help="campaigns of the null control")
    parser.add_argument("--seeds", type=int, default=10, help="campaigns with a planted program")
    parser.add_argument("--root", type=int, default=37, help="root of the landscapes")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--tables", type=Path, help="folder of published tables, as further families")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(SECTIONS):
        print(f"unknown: {', '.join(sorted(unknown))}; sections: {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    for name in options.only.split(","):
        print(f"\n## {name}", flush=True)
        for line in SECTIONS[name](options):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
