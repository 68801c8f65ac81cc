"""Controls of meta-search: ground on which all programs are equal, and ground on which a better one is known."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

from agents.meta.genome import Genome, Mates, OperatorMix, Selection
from agents.meta.history import MetaHistory
from agents.meta.planning import chosen, held_out
from agents.meta.rendering import render
from benchmarks.adas.trusted import trusted
from bus.vocabulary.events import ResearcherEvaluated, Split
from lab.operations.evolving import evolve, meta_settings
from lab.researchers.families import Family
from lab.researchers.landscapes import EpistaticLandscape, FlatLandscape
from lab.researchers.meta_log import MetaLog
from lab.researchers.scoring import Scorer

SPLITS: Sequence[Split] = ("search", "validation", "held_out")
FLAT = tuple(Family(f"flat-{split}", split, FlatLandscape(f"flat-{split}"), designs=15) for split in SPLITS)
"""Every design has a value of its own, so no program can be better than another."""
NULL_PROGRAMS, NULL_SEEDS = 10, ("random", "hill_climb", "aging")
NULL_COUNTS: Mapping[Split, int] = {"search": 8, "validation": 8, "held_out": 24}
SMOOTH = tuple(
    Family(f"smooth-{split}", split, EpistaticLandscape(f"smooth-{split}", axes=10, options=3, k=0, noise=0.05), 30)
    for split in SPLITS
)
"""Axes add up and noise is small, so nothing is better than to change the best design a little."""
PLANTED = Genome(selection=Selection(size=1), operators=OperatorMix(crossover=0, scratch=0), mates=Mates(count=0))
PLANTED_PROGRAMS, PLANTED_SEEDS = 120, ("random", "two_tier", "quality_diversity", "crossover_heavy")
"""New programs, and seeds that lack what the planted program does."""
PLANTED_COUNTS: Mapping[Split, int] = {"search": 8, "validation": 24, "held_out": 24}
"""Landscapes of each split: three times as many as usual to choose the winner on, since finalists are close."""
FOUND_SHARE = 0.9
"""Share of the planted program's gain that a program must reach to be as good."""


class PlantedCampaign(NamedTuple):
    """What a campaign found; all gains are on held-out landscapes."""

    seed: float
    """Of the best seed."""
    planted: float
    found: float
    """Of the winner."""
    promoted: bool

    @property
    def is_found(self) -> bool:
        """Whether the winner is as good as the planted program."""
        return self.found >= FOUND_SHARE * self.planted


def claims_a_gain(root: int) -> bool:
    """Return whether a campaign promotes a program where all are equal."""
    return bool(_run(FLAT, NULL_PROGRAMS, root, NULL_SEEDS, NULL_COUNTS)[0].promoted)


def planted_campaign(root: int) -> PlantedCampaign:
    """Return what a campaign found."""
    history, scorer = _run(SMOOTH, PLANTED_PROGRAMS, root, PLANTED_SEEDS, PLANTED_COUNTS)
    seed, winner = chosen(history)
    assert seed, "the campaign has seeds"
    assert winner, "and programs"
    planted = scorer.evaluate(render(PLANTED, "planted"), "held_out")
    looks = _gain(held_out(seed)), _gain(planted), _gain(held_out(winner))
    return PlantedCampaign(*looks, promoted=bool(history.promoted))


def _run(
    families: Sequence[Family],
    programs: int,
    root: int,
    seeds: Sequence[str],
    counts: Mapping[Split, int] | None = None,
) -> tuple[MetaHistory, Scorer]:
    plan = meta_settings(families, programs, root, seeds=seeds, counts=counts)
    scorer = Scorer(families, root, trusted, plan.landscapes)
    with TemporaryDirectory() as folder, MetaLog(Path(folder) / "log.jsonl") as log:
        return evolve(log, scorer, plan, root), scorer


def _gain(score: ResearcherEvaluated | None) -> float:
    assert score, "programs from genomes don't fail"
    return fmean(fmean(figures.gains) for figures in score.families.values())
