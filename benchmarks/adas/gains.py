"""The gain of evolved programs: a campaign and its control arms on the same landscapes, compared in pairs.

Each arm chooses its winner on `validation` and has one look at `held_out`. The winner of the arm `evolve` is compared
there with the best seed and with the winner of every other arm, by a paired bootstrap over landscapes. A root draws
landscapes and programs; with several roots, the last rows pool them.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

from agents.meta.evidence import paired_gain
from agents.meta.history import MetaHistory, MetaProgram
from agents.meta.planning import chosen, held_out
from agents.meta.rendering import summary
from benchmarks.adas.trusted import trusted
from bus.vocabulary.events import FamilyFigures
from lab.client.event_text import event_line
from lab.operations.evolving import evolve, meta_settings, require_honest
from lab.researchers.families import simulated_families, table_families
from lab.researchers.meta_log import MetaLog
from lab.researchers.scoring import Scorer

EVOLVE = "evolve"
CONTROLS = ("no_archive", "random", "seeds_only")
"""Arms without an archive, without parents, and without new programs."""
Figures = Mapping[str, FamilyFigures]


class ArmCampaign(NamedTuple):
    """A finished campaign of an arm."""

    root: int
    arm: str
    history: MetaHistory

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of its programs, as the log says."""
        scores = [score for program in self.history.programs.values() for score in program.scores.values()]
        return sum(figures.cpu_seconds for score in scores for figures in score.families.values())


def gain(options: argparse.Namespace) -> Iterator[str]:
    """Yield the campaigns, the winners' gains, and the gains by family."""
    jobs = list(product(options.roots, (EVOLVE, *CONTROLS)))
    with ProcessPoolExecutor(options.jobs) as pool:
        done = {(one.root, one.arm): one for one in pool.map(partial(campaign, options), jobs)}
    yield "| root | arm | new programs | distinct, with the seeds | best seed | winner | promoted | programs, CPU s |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    yield from map(_campaign_row, done.values())
    yield "\n| root | winner against | program | gain | 95 % interval | landscapes |"
    yield "| --- | --- | --- | --- | --- | --- |"
    yield from _gain_rows(done, options.roots)
    yield "\n| root | held-out family | best seed | winner |\n| --- | --- | --- | --- |"
    for root in options.roots:
        yield from _family_rows(root, done[root, EVOLVE].history)
    for root in options.roots:
        winner = chosen(done[root, EVOLVE].history)[1]
        assert winner, "it was asked for programs"
        assert winner.genome, "it was rendered"
        yield f"root {root}, {winner.id}: {summary(winner.genome)}"
        yield f"  genome {winner.genome.model_dump_json(exclude_defaults=True)}"


def campaign(options: argparse.Namespace, job: tuple[int, str]) -> ArmCampaign:
    """Return a whole campaign of a root and an arm, audited."""
    root, arm = job
    families = (*simulated_families(), *table_families(options.tables))
    plan = meta_settings(families, options.programs, root, arm)
    with TemporaryDirectory() as folder:
        path = log_path(options, root, arm, Path(folder))
        with MetaLog(path) as log:
            scorer = Scorer(families, plan.root, trusted, plan.landscapes)
            history = evolve(log, scorer, plan, root, lambda one: print(root, arm, event_line(one), file=sys.stderr))
    require_honest(history.log, path)
    return ArmCampaign(root, arm, history)


def log_path(options: argparse.Namespace, root: int, arm: str, folder: Path = Path()) -> Path:
    """Return the log of a campaign in the folder that keeps logs, or in another one without it."""
    return (options.logs or folder) / f"{arm}-{root}-{options.programs}.jsonl"


def _campaign_row(one: ArmCampaign) -> str:
    seed, winner = chosen(one.history)
    names = (seed.id if seed else "-", winner.id if winner else "-", ", ".join(one.history.promoted) or "no")
    counts = f"{len(one.history.new)} | {len(one.history.distinct())} of {len(one.history.programs)}"
    return f"| {one.root} | {one.arm} | {counts} | {' | '.join(names)} | {one.cpu_seconds:.0f} |"


def _gain_rows(done: Mapping[tuple[int, str], ArmCampaign], roots: Sequence[int]) -> Iterator[str]:
    """Yield the gain over each rival, for every root and over all of them."""
    for arm in (EVOLVE, *CONTROLS):
        rivals = {root: _rival(done[root, arm]) for root in roots}
        pairs = {root: (chosen(done[root, EVOLVE].history)[1], rivals[root]) for root in roots}
        name = "best seed" if arm == EVOLVE else arm
        for root, (winner, rival) in pairs.items():
            yield _gain_row(str(root), name, rival.id, _figures({root: winner}), _figures({root: rival}))
        if len(roots) > 1:
            sides = ({root: pair[side] for root, pair in pairs.items()} for side in (0, 1))
            yield _gain_row("all", name, "-", *map(_figures, sides))


def _rival(one: ArmCampaign) -> MetaProgram:
    """Return the best seed of the arm `evolve`; of a control arm its winner, or its best seed without one."""
    seed, winner = chosen(one.history)
    assert seed, "every campaign has seeds"
    return winner if winner and one.arm != EVOLVE else seed


def _figures(programs: Mapping[int, MetaProgram | None]) -> Figures | None:
    """Return what programs reached on held-out landscapes, by root and family; None if one has no score there."""
    scores = {root: held_out(program) if program else None for root, program in programs.items()}
    if not all(scores.values()):
        return None
    return {f"{root} {name}": one for root, score in scores.items() if score for name, one in score.families.items()}


def _gain_row(root: str, name: str, rival: str, ours: Figures | None, theirs: Figures | None) -> str:
    if ours is None or theirs is None:
        return f"| {root} | {name} | {rival} | failed | - | - |"
    gained = paired_gain(ours, theirs)
    interval = f"{gained.low:+.3f} to {gained.high:+.3f}"
    return f"| {root} | {name} | {rival} | {gained.mean:+.3f} | {interval} | {gained.pairs} |"


def _family_rows(root: int, history: MetaHistory) -> Iterator[str]:
    seed, winner = chosen(history)
    theirs, ours = held_out(seed) if seed else None, held_out(winner) if winner else None
    if theirs and ours:
        for name, figures in ours.families.items():
            means = fmean(theirs.families[name].gains), fmean(figures.gains)
            yield f"| {root} | {name} | {means[0]:+.3f} | {means[1]:+.3f} |"
