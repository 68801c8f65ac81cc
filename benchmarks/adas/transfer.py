"""Whether a gain holds on tables that the campaign never saw: its winner and its best seed, on measured designs.

Nothing is chosen here. The campaign evolved, chose and looked on simulated families alone, and its log is read.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from statistics import fmean

from agents.meta.evidence import PairedGain, paired_gain
from agents.meta.history import MetaHistory
from agents.meta.planning import chosen
from benchmarks.adas.gains import EVOLVE, Figures, log_path
from benchmarks.adas.trusted import trusted
from lab.researchers.families import table_families
from lab.researchers.meta_log import read_meta_log
from lab.researchers.scoring import Scorer

LANDSCAPES = 24
"""Landscapes of each table: one landscape, searched with other draws and other noise."""
LIVE_RIVAL = "seed-two-tier"
"""What a live campaign compares the winner with, next to the best seed."""


def transfer(options: argparse.Namespace) -> Iterator[str]:
    """Yield the gain of every campaign's winner over two seeds, on each table and over all."""
    tables = [one.name for one in table_families(options.tables)]
    yield "| root | winner against | table | rival | winner | difference | 95 % interval | landscapes |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    with ProcessPoolExecutor(options.jobs) as pool:
        for root in options.roots:
            seed, winner = chosen(_history(options, root))
            assert seed, "every campaign has seeds"
            assert winner, "it was asked for programs"
            names = list(dict.fromkeys((winner.id, seed.id, LIVE_RIVAL)))
            found = list(pool.map(partial(_scored, options, root, names), tables))
            ours, *theirs = ({one: score for of in found for one, score in of[name].items()} for name in names)
            for rival, figures in zip(names[1:], theirs, strict=True):
                yield from (f"| {root} | {rival} | {row}" for row in _rows(ours, figures))


def _history(options: argparse.Namespace, root: int) -> MetaHistory:
    return MetaHistory(read_meta_log(log_path(options, root, EVOLVE))[0])


def _scored(options: argparse.Namespace, root: int, names: Sequence[str], table: str) -> Mapping[str, Figures]:
    """Return the figures of programs on a table."""
    (family,) = (replace(one, split="held_out") for one in table_families(options.tables) if one.name == table)
    programs, scorer = _history(options, root).programs, Scorer([family], root, trusted, {"held_out": LANDSCAPES})
    return {name: scorer.evaluate(programs[name].proposed.source, "held_out").families for name in names}


def _rows(ours: Figures, theirs: Figures) -> Iterator[str]:
    for name in ours:
        means = f"{fmean(theirs[name].gains):+.3f} | {fmean(ours[name].gains):+.3f}"
        yield f"{name} | {means} | {_shown(paired_gain({name: ours[name]}, {name: theirs[name]}))} |"
    yield f"all | | | {_shown(paired_gain(ours, theirs))} |"


def _shown(gain: PairedGain) -> str:
    return f"{gain.mean:+.3f} | {gain.low:+.3f} to {gain.high:+.3f} | {gain.pairs}"
