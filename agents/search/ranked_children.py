"""Ranked children: a slot breeds many designs from several parents, and proposes the one that forecasts favour.

Every child has draws of its own. So all are bred without their source, memory forecasts them in one query, and the
chosen one alone is bred again in full. What other slots have under way is in the forecasts: memory treats it as
observed (`AskForecast`), so no two slots chase one idea. Once the children of the best promise next to nothing, designs
from scratch are ranked in their place: the search is in a local optimum, or its model rules too much out.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import erf, exp, pi, sqrt
from random import Random

from pydantic import JsonValue

from agents.design import Bias
from agents.search.breeding import Donor, breed, draft
from agents.search.space import NAMED_UNITS, Grammar
from agents.search.spaces import space_named
from bus.delivery.role import Subdecision
from bus.vocabulary.events import Forecast, ProposalCreated, ProposalRequested, Ranking
from bus.vocabulary.queries import AskForecast, CognitionEntry, DesignForecast, Forecasts
from bus.wire.envelope import Envelope

SEED_BITS = 64
MAX_TRIES_PER_CHILD = 3
"""Designs bred for each child that is wanted, since some are bred twice."""


@dataclass(frozen=True, slots=True)
class Ancestors:
    """What the children of a slot are bred from."""

    donors: tuple[Donor, ...]
    bias: Bias
    cognition: Sequence[CognitionEntry]
    grammar: Grammar = NAMED_UNITS

    def led_by(self, turn: int) -> tuple[Donor, ...]:
        """Return the donors with another one as the parent."""
        start = turn % len(self.donors) if self.donors else 0
        return self.donors[start:] + self.donors[:start]


@dataclass(frozen=True, slots=True)
class _Child:
    """A design without its source, and the draws that make it again."""

    design: dict[str, JsonValue]
    turn: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Brood:
    """Children that nobody has proposed yet, with their forecasts."""

    novel: list[tuple[_Child, DesignForecast]]
    best: float
    spread: float
    trained_on: int
    """Analysed experiments behind the forecasts; 0 while there are too few."""

    def ranked(self, index: int) -> tuple[_Child, Forecast]:
        """Return a child and what its proposal records."""
        child, row = self.novel[index]
        forecast = Forecast(
            mean=row.mean,
            deviation=row.deviation,
            ratio=row.ratio,
            children=len(self.novel),
            trained_on=self.trained_on,
        )
        return child, forecast


def ranked_children(
    envelope: Envelope, request: ProposalRequested, ancestors: Ancestors, random: Random
) -> Subdecision[Iterator[ProposalCreated]]:
    """Return the novel children of a slot, best first; none if the slot takes the first idea that comes.

    It does if it ranks nothing, by chance (`request.unranked`), or while memory can't forecast yet.
    """
    if request.ranking is None or request.children < 2 or random.random() < request.unranked:
        return iter(())
    brood = yield from _brood(envelope, request, ancestors, random)
    if _is_exhausted(request, brood):
        ancestors = replace(ancestors, donors=())
        brood = yield from _brood(envelope, request, ancestors, random)
    if not brood.trained_on:
        return iter(())
    scores = [score(request.ranking, row, brood.best, random) for _, row in brood.novel]
    order = sorted(range(len(brood.novel)), key=lambda index: -scores[index])
    return (_proposal(request, ancestors, *brood.ranked(index)) for index in order)


def _brood(envelope: Envelope, request: ProposalRequested, ancestors: Ancestors, random: Random) -> Subdecision[_Brood]:
    """Breed children and ask memory for their forecasts."""
    children = _children(request, ancestors, random)
    forecasts: Forecasts = yield AskForecast(
        campaign=envelope.campaign,
        at=envelope.seq,
        designs=tuple(child.design for child in children),
        kind="tpe" if request.ranking == "parzen" else "surrogate",
    )
    novel = [(child, row) for child, row in zip(children, forecasts.rows, strict=True) if not row.known]
    return _Brood(novel, forecasts.best or 0.0, forecasts.spread or 0.0, forecasts.trained_on)


def _is_exhausted(request: ProposalRequested, brood: _Brood) -> bool:
    """Return whether no child is expected to improve on the best by as much as the slot asks for."""
    if request.ranking != "improvement" or not request.restart_below or not brood.trained_on:
        return False
    promised = (expected_improvement((row.mean or 0.0) - brood.best, row.deviation or 0.0) for _, row in brood.novel)
    return max(promised, default=0.0) < request.restart_below * brood.spread


def score(ranking: Ranking, forecast: DesignForecast, best: float, random: Random) -> float:
    """Return how much a design is worth a trial, given the best expected objective so far; larger is better."""
    if ranking == "parzen":
        return forecast.ratio or 0.0
    mean, deviation = forecast.mean or 0.0, forecast.deviation or 0.0
    if ranking == "thompson":
        return random.gauss(mean, deviation)
    return expected_improvement(mean - best, deviation)


def expected_improvement(gain: float, deviation: float) -> float:
    """Return E[max(0, x)] for a normal x of mean `gain` (Jones et al., 1998)."""
    if deviation <= 0:
        return max(0.0, gain)
    z = gain / deviation
    return gain * (1 + erf(z / sqrt(2))) / 2 + deviation * exp(-z * z / 2) / sqrt(2 * pi)


def _children(request: ProposalRequested, ancestors: Ancestors, random: Random) -> list[_Child]:
    """Return children that differ from each other, bred from each of the donors in turn."""
    children: dict[Hashable, _Child] = {}
    space = space_named(request.space)
    for turn in range(MAX_TRIES_PER_CHILD * request.children):
        if len(children) == request.children:
            break
        seed = random.getrandbits(SEED_BITS)
        design = draft(request, ancestors.led_by(turn), ancestors.bias, Random(seed), ancestors.grammar)
        if design not in children:
            children[design] = _Child(space.to_json(design), turn, seed)
    return list(children.values())


def _proposal(request: ProposalRequested, ancestors: Ancestors, child: _Child, forecast: Forecast) -> ProposalCreated:
    """Return a child as a proposal, with its source."""
    donors, random = ancestors.led_by(child.turn), Random(child.seed)
    proposal = breed(request, donors, ancestors.bias, ancestors.cognition, random, ancestors.grammar)
    return proposal.model_copy(update={"forecast": forecast})
