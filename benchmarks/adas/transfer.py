"""Whether a gain holds on tables that the campaign never saw: its winner and its best seed, on measured designs.

Nothing is chosen here. The campaign evolved, chose and looked on simulated families alone, and its log is read.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean

from agents.meta.evidence import PairedGain, paired_gain
from agents.meta.history import MetaHistory
from agents.meta.planning import chosen
from benchmarks.adas.gains import EVOLVE, Figures, log_path
from benchmarks.adas.trusted import trusted
from lab.researchers.families import table_families
from lab.researchers.meta_log import read_meta_log
from lab.researchers.scoring import Scorer

LANDSCAPES = 48
"""Landscapes of each table: one landscape, searched with other draws and other noise."""

LIVE_RIVAL = "seed-two-tier"
"""What a live campaign compares the winner with, next to the best seed."""


def transfer(options: argparse.Namespace) -> Iterator[str]:
    """Yield the gain of every campaign's winner over two seeds, on each table and over all."""
    families = [replace(one, split="held_out") for one in table_families(options.tables)]
    yield "| root | winner against | table | rival | winner | difference | 95 % interval | landscapes |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for root in options.roots:
        history = MetaHistory(read_meta_log(log_path(options, root, EVOLVE))[0])
        seed, winner = chosen(history)
        assert seed, "every campaign has seeds"
        assert winner, "it was asked for programs"
        scorer = Scorer(families, root, trusted, {"held_out": LANDSCAPES})
        ours = scorer.evaluate(winner.proposed.source, "held_out").families
        for rival in dict.fromkeys((seed.id, LIVE_RIVAL)):
            theirs = scorer.evaluate(history.programs[rival].proposed.source, "held_out").families
            yield from (f"| {root} | {rival} | {row}" for row in _rows(ours, theirs))


def _rows(ours: Figures, theirs: Figures) -> Iterator[str]:
    for name in ours:
        means = f"{fmean(theirs[name].gains):+.3f} | {fmean(ours[name].gains):+.3f}"
        yield f"{name} | {means} | {_shown(paired_gain({name: ours[name]}, {name: theirs[name]}))} |"
    yield f"all | | | {_shown(paired_gain(ours, theirs))} |"


def _shown(gain: PairedGain) -> str:
    return f"{gain.mean:+.3f} | {gain.low:+.3f} to {gain.high:+.3f} | {gain.pairs}"
