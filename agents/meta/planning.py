"""What a meta-campaign does next, as a function of its log alone.

First the seeds are tried, then one new program after another, each on the landscapes of `search`. The best of them, and
all seeds, then run on `validation`. The best new program and the best seed there get one look at `held_out`. A
promotion is published only if the interval of their paired difference lies above 0.

With a model, it is asked for every second new program (`agents.meta.writing`), so that written and genetic programs
meet the same archive. The operators fill each slot that it leaves empty.

Parents are drawn by fitness and few children, with weight 1 / rank / (1 + children): a good program with many children
leaves its place to others, as in open-ended archives of agents (Zhang et al., 2025, 2505.22954).
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from agents.meta.evidence import paired_gain
from agents.meta.genome import Genome
from agents.meta.history import MetaHistory, MetaProgram, best_first
from agents.meta.rendering import render
from agents.meta.seeds import SEEDS
from agents.meta.variation import VariedGenome, random_genome, vary
from agents.meta.writing import WritingSlot
from bus.delivery.role import Post
from bus.vocabulary.events import (
    CampaignFinished,
    MetaOperator,
    ResearcherEvaluated,
    ResearcherPromoted,
    ResearcherProposed,
    Split,
)
from bus.wire.ids import CAMPAIGN, derive, rng, source_hash

PROPOSER, EVALUATOR = "designer", "examiner"
"""Who publishes proposals and promotions, and who publishes scores."""
SEED_PREFIX = "seed-"
WRITTEN_EVERY = 2
"""One new program of so many is asked of the model."""
MAX_TRIES = 200
"""Draws of a program until one is new."""


class Evaluation(NamedTuple):
    """A program is to be run on the landscapes of a split."""

    experiment: str
    source: str
    split: Split


def next_step(history: MetaHistory) -> Post | Evaluation | WritingSlot | None:
    """Return what comes next; None after the end."""
    if history.finished:
        return None
    return _untried(history) or _proposal(history) or _validation(history) or _last_look(history) or _ending(history)


def _untried(history: MetaHistory) -> Evaluation | None:
    """Return the run of a program that was proposed and has no score yet."""
    return _first_missing(list(history.programs.values()), "search")


def _proposal(history: MetaHistory) -> Post | WritingSlot | None:
    """Return the next program: a seed, or one of the campaign's own."""
    settings, number = history.settings, len(history.programs)
    if number < len(settings.seeds):
        name = settings.seeds[number]
        return _proposed(number, SEED_PREFIX + name.replace("_", "-"), f"seed_{name}", SEEDS[name], "seed", ())
    count = number - len(settings.seeds)
    if settings.arm == "seeds_only" or count == settings.programs:
        return None
    experiment = f"p{count + 1:04d}"
    if _is_written(history, count) and experiment not in history.unwritten:
        return WritingSlot(experiment, number)
    varied, parents = _new_genome(history, rng(derive(history.log[0].campaign, number), PROPOSER))
    name = f"evolved_{varied.genome.digest()[:8]}"
    return _proposed(number, experiment, name, varied.genome, varied.operator, parents)


def _is_written(history: MetaHistory, count: int) -> bool:
    """Return whether the model is asked for the program of this number; programs without parents are drawn."""
    return history.has_programmer and history.settings.arm != "random" and count % WRITTEN_EVERY == 0


def _proposed(
    number: int, experiment: str, name: str, genome: Genome, operator: MetaOperator, parents: Sequence[str]
) -> Post:
    source = render(genome, name)
    event = ResearcherProposed(
        number=number,
        name=name,
        operator=operator,
        parents=tuple(parents),
        genome=genome.model_dump(mode="json"),
        source=source,
        source_sha256=source_hash(source),
    )
    return Post(experiment, event)


def _new_genome(history: MetaHistory, random: Random) -> tuple[VariedGenome, Sequence[str]]:
    """Return a genome that no program has, and the programs that it comes from."""
    known = {one.digest() for program in history.programs.values() if (one := program.genome)}
    for _ in range(MAX_TRIES):
        varied, parents = _drawn_genome(history, random)
        if varied.genome.digest() not in known:
            return varied, parents
    return VariedGenome(random_genome(random), "random"), ()


def _drawn_genome(history: MetaHistory, random: Random) -> tuple[VariedGenome, Sequence[str]]:
    """Return a genome as the arm of the campaign makes it."""
    parents = [one for one in history.archive() if one.genome]
    if history.settings.arm == "random" or not parents:
        return VariedGenome(random_genome(random), "random"), ()
    parent, mate = _drawn_parent(parents, random), _drawn_parent(parents, random)
    assert parent.genome, "parents were chosen to have one"
    assert mate.genome, "the same"
    varied = vary(parent.genome, mate.genome, random)
    names = {"random": (), "splice": (parent.id, mate.id)}.get(varied.operator, (parent.id,))
    return varied, tuple(dict.fromkeys(names))


def _drawn_parent(best_to_worst: Sequence[MetaProgram], random: Random) -> MetaProgram:
    weights = [1 / rank / (1 + program.children) for rank, program in enumerate(best_to_worst, 1)]
    return random.choices(best_to_worst, weights)[0]


def _validation(history: MetaHistory) -> Evaluation | None:
    """Return the next run on `validation`: of the seeds, then of the best new programs that copy no other."""
    seeds = [program for program in history.seeds if program.fitness("search") is not None]
    new = [program for program in history.distinct() if program.proposed.operator != "seed"]
    finalists = best_first(new, "search")[: history.settings.finalists]
    return _first_missing([*seeds, *finalists], "validation")


def _last_look(history: MetaHistory) -> Evaluation | None:
    """Return the next run on `held_out`: of the best seed and of the best new program."""
    return _first_missing([one for one in chosen(history) if one is not None], "held_out")


def chosen(history: MetaHistory) -> tuple[MetaProgram | None, MetaProgram | None]:
    """Return the best seed and the best new program on `validation`; None if there is none."""
    return (
        next(iter(best_first(history.seeds, "validation")), None),
        next(iter(best_first(history.new, "validation")), None),
    )


def _first_missing(programs: Sequence[MetaProgram], split: Split) -> Evaluation | None:
    untried = (one for one in programs if split not in one.scores)
    return next((Evaluation(one.id, one.proposed.source, split) for one in untried), None)


def _ending(history: MetaHistory) -> Post:
    """Return the promotion of the winner if the evidence is there and not published; else the end."""
    seed, winner = chosen(history)
    promotion = promotion_of(seed, winner) if seed and winner else None
    if promotion and winner and winner.id not in history.promoted:
        return Post(winner.id, promotion)
    programs = history.programs.values()
    analysed = sum(one.fitness("search") is not None for one in programs)
    best = next(iter(best_first([one for one in (seed, winner) if one], "validation")), None)
    ended = CampaignFinished(
        reason="budget_spent", analysed=analysed, failed=len(programs) - analysed, rejected=0,
        best=best.id if best else None,
    )  # fmt: skip
    return Post(CAMPAIGN, ended)


def promotion_of(seed: MetaProgram, winner: MetaProgram) -> ResearcherPromoted | None:
    """Return the promotion of a program over a seed; None unless its gain on held-out landscapes is certain."""
    theirs, ours = held_out(seed), held_out(winner)
    if theirs is None or ours is None:
        return None
    gain = paired_gain(ours.families, theirs.families)
    if gain.low <= 0:
        return None
    return ResearcherPromoted(
        source_sha256=winner.proposed.source_sha256,
        over=seed.id,
        gain=gain.mean,
        interval=(gain.low, gain.high),
        landscapes=gain.pairs,
        evidence=(seed.score_ids["held_out"], winner.score_ids["held_out"]),
    )


def held_out(program: MetaProgram) -> ResearcherEvaluated | None:
    """Return a program's score on held-out landscapes, if it has one and did not fail."""
    score = program.scores.get("held_out")
    return score if score and score.fitness is not None else None
