"""What one ranked proposal costs in a long campaign: CPU of the researcher's breeding and of memory's forecast.

    python -m benchmarks.proposing [--experiments N] [--proposals M] [--formulas SHARE]

Memory holds a synthetic campaign. Each proposal breeds children of five of ten designs, as many as the policy of the
ranking asks for and with formulas as the researcher draws them by default, takes their forecasts as JSON, and renders
the best one. Prints one line of JSON per ranking. The first answer, which fits the model, is apart.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, cast

from pydantic import JsonValue

from agents.design import BASELINES, NEUTRAL, draw_design
from agents.roles.researcher import ResearcherSettings
from agents.search.breeding import Donor
from agents.search.ranked_children import Ancestors, ranked_children
from agents.search.ranking_policy import RankingPolicy
from agents.search.space import Grammar
from agents.search.surrogate import SurrogateSearch
from agents.search.tpe import Tpe
from benchmarks.campaign_log import CAMPAIGN_ID, campaign_log
from bus.vocabulary.events import ProposalRequested, Ranking
from bus.vocabulary.queries import AskForecast, Forecasts
from bus.wire.envelope import Envelope
from memory.queries import Knowledge, answer
from memory.store import Store

RANKINGS: dict[Ranking, type[RankingPolicy]] = {"improvement": SurrogateSearch, "parzen": Tpe}
"""The policy that asks for a ranking."""
BEST = tuple(Donor(f"base-{name}", human.design) for name, human in islice(BASELINES.items(), 10))
"""What stands for the best designs of the campaign."""
DONORS = 5
"""Designs that the children of one proposal come from."""
DEFAULTS = ResearcherSettings()


@dataclass(frozen=True, slots=True)
class ProposalCost:
    """CPU milliseconds of one proposal."""

    researcher_ms: float
    memory_ms: float


def random_design_idea(slot: int, random: Random) -> tuple[str, str, dict[str, JsonValue]]:
    """Return an idea for a slot of the synthetic campaign: a design of the real grammar, without a real source."""
    design = cast("dict[str, JsonValue]", draw_design(random).to_json())
    return f"idea {slot}", f"x = {slot}", design


def propose(knowledge: Knowledge, number: int, ranking: Ranking, children: int, formulas: float) -> ProposalCost:
    """Make one proposal as of a position of its own."""
    request = ProposalRequested(slot=number, arm="guided", children=children, ranking=ranking)
    at = knowledge.store.position - number
    envelope = Envelope("c", "/lab/director/1", datetime.now(UTC), CAMPAIGN_ID, f"e{number:04d}", request, None, at)
    start = time.process_time()
    draws = Random(f"{ranking} {number}")  # draws that another ranking had are in the caches of formulas
    ancestors = Ancestors(tuple(draws.sample(BEST, DONORS)), NEUTRAL, (), Grammar(formulas, DEFAULTS.normal_forms))
    steps: Generator[Any, Any, Any] = ranked_children(envelope, request, ancestors, draws)
    question = next(steps).model_dump_json()
    asked = time.process_time()
    reply = answer(knowledge, AskForecast.model_validate_json(question)).model_dump_json()
    answered = time.process_time()
    try:
        steps.send(Forecasts.model_validate_json(reply))
    except StopIteration as stop:
        next(stop.value)
    ended = time.process_time()
    return ProposalCost(1e3 * (asked - start + ended - answered), 1e3 * (answered - asked))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--proposals", type=int, default=40)
    parser.add_argument(
        "--formulas", type=float, default=DEFAULTS.formulas, help="share of children with a new formula"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
        assert store.apply(list(campaign_log(options.experiments, ideas=random_design_idea))) == []
        knowledge = Knowledge(store)
        for ranking, policy in RANKINGS.items():
            children = policy.sized_for(options.experiments, DONORS).model_dump()["children"]
            first, *costs = [
                propose(knowledge, number, ranking, children, options.formulas) for number in range(options.proposals)
            ]
            figures = {
                "children": children,
                "researcher_p50_ms": round(median(cost.researcher_ms for cost in costs), 1),
                "memory_p50_ms": round(median(cost.memory_ms for cost in costs), 1),
                "first_answer_ms": round(first.memory_ms),
            }
            print(json.dumps({"ranking": ranking, "experiments": options.experiments} | figures), flush=True)


if __name__ == "__main__":
    main()
