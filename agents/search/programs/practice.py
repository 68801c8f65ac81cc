"""A made-up campaign that a researcher program is tried on: its status, and what memory answers.

Results are ranked by their number: e0001 is the best. Every second one has a weakness that two papers treat. Nothing
is drawn and nothing is read, so an examination gives the same verdict everywhere.
"""

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

from pydantic import JsonValue

from agents.search.spaces import DEFAULT_SPACE, space_named
from bus.vocabulary.events import CampaignStarted, Limits, Record
from bus.vocabulary.queries import (
    Ancestry,
    AskAnalysed,
    AskAncestry,
    AskCognition,
    AskExperiments,
    AskForecast,
    AskFormulas,
    AskInsights,
    AskNeighbours,
    AskOutcomes,
    AskUnitEffects,
    CampaignInsights,
    CampaignStatus,
    Cognition,
    CognitionEntry,
    DesignForecast,
    Experiment,
    Experiments,
    Forecasts,
    FormulaRecords,
    Neighbours,
    Outcomes,
    Query,
    TrialOutcome,
    UnitEffect,
    UnitEffects,
)
from bus.wire.ids import BASELINE_PREFIX, derive

BASELINES = ("gla", "mamba2", "deltanet")
RANKED = tuple(f"e{number:04d}" for number in range(1, 31))
EXPERIMENTS = 100
POSITION = 500
"""Position in the log as of which everything is described."""
PAPERS = tuple(
    CognitionEntry(key=key, title=key, scenario="recall fades", algorithm="a delta rule", history="", units=())
    for key in ("paper-1", "paper-2")
)


def status(analysed: int, **fields: Any) -> CampaignStatus:
    """Return the status after so many analyses; `fields` replace some of it."""
    founders = tuple(BASELINE_PREFIX + name for name in BASELINES)
    started = CampaignStarted(
        goal="", seed=0, scale="nano", experiments=EXPERIMENTS, slots=4, baselines=BASELINES,
        limits=Limits(seconds=1, memory_mb=1), policy="program:practice", policy_parameters={},
    )  # fmt: skip
    known: dict[str, Any] = {
        "campaign": "practice", "started": started, "founders": founders, "ranking": RANKED[:analysed],
        "analysed": analysed, "settled": analysed, "budget": EXPERIMENTS, "last_seq": POSITION,
    }  # fmt: skip
    return CampaignStatus.model_validate(known | fields)


def answer(query: Query, now: CampaignStatus) -> Record:
    """Return what memory answers in a campaign with this status."""
    match query:
        case AskAnalysed():
            names = RANKED[: now.analysed]
            wanted = {*query.ids, *names[max(0, len(names) - query.newest) :]} - {*now.vetoed}
            return Experiments(rows=tuple(_experiment(name) for name in names if name in wanted))
        case AskExperiments():
            names = query.ids or RANKED[: now.analysed]
            return Experiments(rows=tuple(_experiment(name) for name in names if name in RANKED[: now.analysed]))
        case AskAncestry():
            names = [name for name in (query.parent, *query.references) if name]
            return Ancestry(started=now.started, rows=tuple(map(_experiment, names)), cognition=PAPERS)
        case AskForecast():
            rows = tuple(DesignForecast(mean=_merit(design), deviation=1.0) for design in query.designs)
            return Forecasts(rows=rows, best=0.0, trained_on=now.analysed)
        case _:
            return _standing_answer(query, now)


def _standing_answer(query: Query, now: CampaignStatus) -> Record:
    """Return an answer that depends on the number of analyses at most."""
    replies: Mapping[type[Query], Record] = {
        AskCognition: Cognition(rows=PAPERS),
        AskFormulas: FormulaRecords(),
        AskInsights: CampaignInsights(),
        AskNeighbours: Neighbours(rows=()),
        AskOutcomes: Outcomes(rows=tuple(map(_outcome, range(min(now.analysed, len(RANKED)))))),
        AskUnitEffects: UnitEffects(
            rows=(UnitEffect(unit="memory/decay:scalar", designs=3, effect=0.5, low=0.1, high=0.9),),
            analysed=now.analysed,
        ),
    }
    return replies[type(query)]


@cache
def _experiment(name: str) -> Experiment:
    """Return a result; its design depends on its name."""
    space = space_named(DEFAULT_SPACE)
    place = RANKED.index(name) if name in RANKED else len(RANKED)
    treated = place % 2 == 0
    return Experiment(
        id=name, status="analysed", design=space.to_json(space.random(Random(place))), fitness=1 - place / 100,
        objective=-place / 10, problem="recall fades" if treated else "training is slow",
        cognition=tuple(paper.key for paper in PAPERS) if treated else (), opened_seq=place + 1,
    )  # fmt: skip


def _outcome(place: int) -> TrialOutcome:
    operator, policy = ("mutate:decay", "crossover")[place % 2], ("surrogate", "random")[place % 2]
    return TrialOutcome(id=RANKED[place], policy=policy, operator=operator, objective=-place / 10, flops=1e9)


def _merit(design: Mapping[str, JsonValue]) -> float:
    """Return a forecast that depends on the design alone, between −1 and 1."""
    return int(derive(sorted(design.items()))[:4], 16) / 0x8000 - 1
