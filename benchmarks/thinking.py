"""What each mechanism of the researcher's conversation is worth: valid, new designs per request of a faulty model.

    python -m benchmarks.thinking [--slots N] [--seed S]

The real researcher fills slots with a scripted model (`benchmarks.faulty_designer`): a unit comes out right with chance
0.6, an answer is no JSON with 0.1, an idea repeats an earlier one with 0.2. The arms add one mechanism after another. A
design counts if it is the model's, passes the static check and is new. Prints one line of JSON per arm, with a 95 %
bootstrap interval over slots; of unit by unit also the requests per slot, against the theory's (1 + n / p) / (1 − q),
and over 1 − r if an idea that repeats an earlier one is followed by another.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from statistics import fmean
from typing import Any, cast

import numpy as np
from pydantic import JsonValue

from agents.design import BASELINES, Design, render
from agents.llm.prompts import library
from agents.roles.researcher import Researcher
from benchmarks.faulty_designer import FaultyDesigner, Skill
from bus.delivery.role import Post
from bus.vocabulary.events import CampaignStarted, Limits, ProposalCreated, ProposalRequested
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskExperiments,
    AskInsights,
    AskNeighbours,
    CampaignInsights,
    Experiment,
    Experiments,
    Neighbour,
    Neighbours,
)
from bus.vocabulary.questions import Completion
from bus.wire.envelope import Envelope
from bus.wire.ids import fingerprint

BASE: Mapping[str, JsonValue] = {
    "plan": False, "reflections": False, "tools": [], "corrections": 0, "max_repeats": 1, "forms": {"whole": 1.0},
}  # fmt: skip
ARMS: Mapping[str, Mapping[str, JsonValue]] = {
    "whole file": {},
    "whole file + check_source": {"tools": ["check_source"]},
    "whole file + self-correction": {"corrections": 5},
    "whole file + self-correction + novelty feedback": {"corrections": 5, "max_repeats": 3},
    "unit by unit": {"forms": {"units": 1.0}},
    "unit by unit + novelty feedback": {"forms": {"units": 1.0}, "corrections": 5, "max_repeats": 3},
}
"""Arm → the researcher's settings that differ from `BASE`."""
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class SlotOutcome:
    """What came of one slot."""

    requests: int
    new: bool
    """Whether the model filled it with a valid, new design."""


class KnownIdeas:
    """What memory knows: every idea so far, by source and by design."""

    def __init__(self, started: CampaignStarted) -> None:
        """Begin with the baselines."""
        self.started = started
        self.designs: dict[str, Design] = {}
        self._by_source: dict[str, str] = {}
        for name, human in BASELINES.items():
            self.add(f"base-{name}", human.design)

    def add(self, name: str, design: Design) -> None:
        """Remember an idea."""
        self.designs[name] = design
        self._by_source.setdefault(fingerprint(render(design).source), name)

    def answer(self, question: Any, parent: str) -> Any:
        """Return memory's reply to a question of the researcher."""
        match question:
            case AskAncestry():
                return Ancestry(started=self.started, rows=(self._row(parent),))
            case AskExperiments():
                return Experiments(rows=tuple(self._row(name) for name in question.ids))
            case AskInsights():
                return CampaignInsights()
            case AskNeighbours():
                return Neighbours(rows=self._same(question))
            case _:
                raise AssertionError(f"nobody answers {type(question).__name__}")

    def _same(self, question: AskNeighbours) -> tuple[Neighbour, ...]:
        """Return the idea with the same source or design, if there is one."""
        name = self._by_source.get(question.fingerprint)
        return (Neighbour(id=name, motivation="why.", same_source=True),) if name else ()

    def _row(self, name: str) -> Experiment:
        design = self.designs[name]
        shape = cast("dict[str, JsonValue]", design.to_json())
        return Experiment(id=name, status="analysed", source=render(design).source, design=shape, motivation="why.")


def fill(ideas: KnownIdeas, number: int, skill: Skill, random: Random) -> SlotOutcome:
    """Fill one slot with the real researcher and the scripted model."""
    parent = random.choice(list(ideas.designs))
    model = FaultyDesigner(skill, ideas.designs[parent], list(ideas.designs.values()), random)
    request = ProposalRequested(slot=number, arm="guided", parent=parent)
    cause = Envelope("c", "/lab/director/1", datetime.now(UTC), "c-0", f"e{number:04d}", request, None, number)
    steps, reply = Researcher().decide(cause), None
    try:
        while True:
            question: Any = steps.send(reply)
            if isinstance(question, Post):  # the account of an answer
                reply = None
            else:
                reply = model.answer(question) if isinstance(question, Completion) else ideas.answer(question, parent)
    except StopIteration as stop:
        event = stop.value[-1].event
    new = isinstance(event, ProposalCreated) and event.origin == "model"
    if new and (design := model.design or (Design.from_json(event.design) if event.design else None)):
        ideas.add(f"e{number:04d}", design)
    return SlotOutcome(model.requests, new)


def run(arm: Mapping[str, JsonValue], slots: int, seed: int, skill: Skill) -> list[SlotOutcome]:
    """Return the outcomes of an arm."""
    settings = {**BASE, **arm}
    started = CampaignStarted(
        goal="g", seed=seed, scale="nano", experiments=slots, slots=1, baselines=tuple(BASELINES),
        limits=Limits(seconds=1, memory_mb=1), policy="two_tier", policy_parameters={}, models={"researcher": "m"},
        prompts=library.versions(), roles={"researcher": settings},
    )  # fmt: skip
    ideas, random = KnownIdeas(started), Random(seed)
    return [fill(ideas, number, skill, random) for number in range(1, slots + 1)]


def figures(outcomes: list[SlotOutcome], seed: int) -> dict[str, Any]:
    """Return the yield per request with its interval, the share of slots filled, and the requests per slot."""
    table = np.array([[outcome.new, outcome.requests] for outcome in outcomes], float)  # [slots, 2]
    picks = np.random.default_rng(seed).integers(0, len(table), (RESAMPLES, len(table)))
    sums = table[picks].sum(1)  # [resamples, 2]
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    return {
        "designs_per_request": round(float(table[:, 0].sum() / table[:, 1].sum()), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "slots_filled": round(fmean(outcome.new for outcome in outcomes), 3),
        "requests_per_slot": round(fmean(outcome.requests for outcome in outcomes), 2),
    }


def theory(skill: Skill, *, until_new: bool) -> float:
    """Return the requests per slot that unit by unit should take: a plan, then n / p units, all without bad JSON.

    With `until_new`, ideas follow until one repeats no earlier one.
    """
    of_one = (1 + skill.units / skill.right) / (1 - skill.no_json)
    return of_one / (1 - skill.repeat) if until_new else of_one


def main() -> None:
    """Run every arm and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    skill = Skill()
    for name, arm in ARMS.items():
        line = {"arm": name, **figures(run(arm, options.slots, options.seed, skill), options.seed)}
        if name.startswith("unit by unit"):
            expected = theory(skill, until_new="novelty feedback" in name)
            line["theory_requests_per_slot"] = round(expected, 2)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
