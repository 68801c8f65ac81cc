"""Meta-campaigns in a moment: an evaluator that scores programs by their genomes, and runs of whole campaigns."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from agents.meta.evidence import fitness_of
from agents.meta.genome import Genome
from agents.meta.history import MetaHistory, MetaSettings
from agents.meta.seeds import SEEDS
from bus.vocabulary.events import FamilyFigures, ModelChoice, ResearcherEvaluated, ResearcherProposed, Split
from bus.wire.envelope import Envelope
from bus.wire.ids import derive, source_hash
from lab.operations.evolving import evolve
from lab.researchers.meta_log import MetaLog
from lab.researchers.programmer import MetaAnswerer, ProgrammerPlan

COUNTS: dict[Split, int] = {"search": 4, "validation": 4, "held_out": 12}


def settings(programs: int = 6, arm: str = "evolve", finalists: int = 3) -> MetaSettings:
    """Return a campaign with one family in each split."""
    families = {"near": "search", "far": "validation", "sealed": "held_out"}
    return MetaSettings.model_validate(
        {"programs": programs, "arm": arm, "seeds": tuple(SEEDS), "root": 5, "finalists": finalists,
         "families": families, "landscapes": COUNTS}
    )  # fmt: skip


def worth(genome: Genome) -> float:
    """Return a value that rewards what seeds have each a part of, so that new programs are soon better."""
    parts = (
        genome.mates.count / 8,
        1 / genome.selection.size,
        float(genome.population.kind != "elitist"),
        float(genome.budget.patience > 0),
    )
    return fmean(parts)


class GenomeEvaluator:
    """Scores a program by its genome, with the noise of landscapes; fails those that `fails` names.

    With `copies`, programs of one worth have the same gains.
    """

    def __init__(self, log: MetaLog | None = None, fails: Sequence[str] = (), *, copies: bool = False) -> None:
        """Read genomes from the log that the campaign writes."""
        self.calls: Counter[tuple[str, Split]] = Counter()
        self._log, self._fails, self._noise = log, fails, 0.0 if copies else 0.05
        self.genomes: dict[str, Genome] = {}

    def evaluate(self, source: str, split: Split) -> ResearcherEvaluated:
        """Return gains around the worth of the genome; that of a program without one is of the plain genome."""
        digest, genome = source_hash(source), self._genome(source)
        self.calls[digest, split] += 1
        if any(name in source for name in self._fails):
            return ResearcherEvaluated(split=split, source_sha256=digest, failed="raised: it fell over")
        random = Random(derive(digest, split))
        gains = tuple(round(worth(genome) + random.gauss(0, self._noise), 6) for _ in range(COUNTS[split]))
        name = {"search": "near", "validation": "far", "held_out": "sealed"}[split]
        families = {name: FamilyFigures(gains=gains, designs=10, cpu_seconds=0.5)}
        return ResearcherEvaluated(
            split=split, source_sha256=digest, families=families, fitness=round(fitness_of(families), 6)
        )

    def _genome(self, source: str) -> Genome:
        if self._log is not None:
            events = [one.event for one in self._log.envelopes]
            proposed = [one for one in events if isinstance(one, ResearcherProposed)]
            self.genomes |= {one.source: Genome.model_validate(one.genome or {}) for one in proposed}
        return self.genomes[source]


def run_campaign(
    path: Path, plan: MetaSettings, seed: int = 0, *, answer: MetaAnswerer | None = None, **options: Any
) -> MetaHistory:
    """Run a campaign, or what is left of it, and return its history; `answer` is for a campaign with a model."""
    programmer = ProgrammerPlan((ModelChoice(model="scripted"),)) if answer else None
    with MetaLog(path) as log:
        return evolve(log, GenomeEvaluator(log, **options), plan, seed, programmer=programmer, answer=answer)


def facts(log: Sequence[Envelope]) -> list[tuple[str, str, str]]:
    """Return what a log says, without times and processes."""
    return [(one.id, one.experiment, one.event.model_dump_json()) for one in log]
