"""One search of a program on a landscape: the slots of a campaign, without its log, its memory and its training.

The program sees what it would see in a campaign: a status, and memory's answers about analysed designs and their
outcomes. Neither names the landscape, its seed or a true value. What it suggests is bred here, from draws that are the
same for every program. A step that fails costs its slot.
"""

from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any, TypeVar

from agents.search.policy import SearchPolicy, Suggestion
from agents.search.programs.faults import ProgramFault
from agents.search.space import DesignSpace
from bus.delivery.role import Post, Subdecision
from bus.vocabulary.events import CampaignStarted, Limits, Record
from bus.vocabulary.queries import (
    AskAnalysed,
    AskCognition,
    AskExperiments,
    AskForecast,
    AskNeighbours,
    AskOutcomes,
    CampaignStatus,
    DesignForecast,
    Experiment,
    Experiments,
    Forecasts,
    Outcomes,
    TrialOutcome,
)
from bus.wire.ids import BASELINE_PREFIX, derive, experiment_id, rng
from lab.researchers.brood import best_child
from lab.researchers.landscapes import Landscape
from memory.forecasts.features import Tokens, tokens

FOUNDERS = 5
"""Random designs that open a search; they count as designs tried."""
MAX_IDEAS = 30
"""Repeated designs of a slot until a fresh one is drawn."""
MAX_RANKED = 50
"""Length of the ranking in a campaign's status."""
BLIND_NAME = "search"
"""The campaign's name in the status: it says nothing of the landscape."""
T = TypeVar("T")


@dataclass(frozen=True)
class Valued:
    """A design that was tried. Its forms are made once: a search reads each of them many times."""

    id: str
    design: Any
    shown: float
    """What the search saw; lower is better."""
    operator: str
    space: DesignSpace

    @cached_property
    def row(self) -> Experiment:
        """Return what memory answers about it."""
        design = self.space.to_json(self.design)
        return Experiment(id=self.id, status="analysed", operator=self.operator, design=design, fitness=-self.shown)

    @cached_property
    def tokens(self) -> Tokens:
        """Return the design as memory's estimator reads it."""
        return tokens(self.space.to_json(self.design))


@dataclass
class TableSearch:
    """A search of a policy, on the landscape of a seed."""

    policy: SearchPolicy
    landscape: Landscape
    seed: int
    designs: int
    """Designs to try, the founders included."""
    faults: list[str] = field(default_factory=list)
    """Why steps of the program failed, one line each."""
    max_faults: int = 3
    """Failed steps after which the search ends."""
    draws: str = ""
    """Names a stream of draws; programs that are compared have the same one."""
    tried: list[Valued] = field(default_factory=list)
    """Designs in the order in which they were tried."""

    def run(self) -> float:
        """Try the designs, and return the true value of the one that looked best."""
        self._state, self._known = dict[str, Any](), set[Any]()
        self._seen: CampaignStatus | None = None
        self._started = _blind_start(self.designs)
        for number, name in enumerate(self._started.baselines):
            design = self._fresh(self._draws("founder", number))
            self._try(BASELINE_PREFIX + name, design, "baseline")
        for slot in range(self.designs - FOUNDERS):
            if len(self.faults) >= self.max_faults:
                break
            self._fill(experiment_id(FOUNDERS + slot, self._started.baselines))
        best = min(self.tried, key=lambda one: one.shown)
        return self.landscape.test(best.design, self.seed)

    def _fill(self, name: str) -> None:
        """Try the design of one slot, or none if the program fails."""
        try:
            asked = self.policy.ask(self._status(), self._state, self._draws("ask", name))
            suggestion = self._drive(asked)
        except ProgramFault as fault:
            self.faults.append(f"ask: {fault}")
            return
        design, operator = self._bred(suggestion, self._draws("breed", name))
        self._try(name, design, operator)

    def _try(self, name: str, design: Any, operator: str) -> None:
        """Value a design, and let the program fold the result into its state."""
        shown = self.landscape.validation(design, self.seed)
        self.tried.append(Valued(name, design, shown, operator, self.landscape.space))
        self._known.add(design)
        self._seen = None
        try:
            renewal = self._drive(self.policy.tell(self._status(), self._state))
        except ProgramFault as fault:
            self.faults.append(f"tell: {fault}")
            return
        if renewal is not None:
            self._state, self._seen = dict(renewal.state), None

    def _bred(self, suggestion: Suggestion, random: Random) -> tuple[Any, str]:
        """Return a new design, and its operator: the best child, the first new one, or a fresh one after many tries."""
        space = self.landscape.space
        by_id = {one.id: one for one in self.tried}
        donors = [by_id[name].design for name in (suggestion.parent, *suggestion.references) if name in by_id]
        if suggestion.ranking and suggestion.children > 1 and random.random() >= suggestion.unranked:
            results = [one.tokens for one in self.tried], [-one.shown for one in self.tried]
            child = best_child(suggestion, donors, space, results, self._is_new, random)
            if child is not None:
                return child
        for _ in range(MAX_IDEAS):
            parent, mates = (donors[0], donors[1:]) if donors else (None, [])
            variation = space.vary(parent, mates, random, suggestion.preferences)
            if self._is_new(variation.design):
                return variation.design, variation.operator
        return self._fresh(random), "scratch"

    def _fresh(self, random: Random) -> Any:
        """Return a random design, a new one unless they are hard to find."""
        designs = (self.landscape.space.random(random) for _ in range(MAX_IDEAS))
        return next(filter(self._is_new, designs), None) or self.landscape.space.random(random)

    def _is_new(self, design: Any) -> bool:
        return design not in self._known

    def _draws(self, purpose: str, about: object) -> Random:
        """Return draws that are the same for every program, and from which no program learns the seed."""
        return rng(derive(self.landscape.space.name, self.seed, self.draws, purpose, about), "table search")

    def _status(self) -> CampaignStatus:
        """Return the status of the campaign; it is made once, until a result or a renewal changes it."""
        self._seen = self._seen or self._new_status()
        return self._seen

    def _new_status(self) -> CampaignStatus:
        """Return the status as the director would have it now."""
        ranked = sorted(self.tried, key=lambda one: one.shown)
        return CampaignStatus(
            campaign=BLIND_NAME,
            started=self._started,
            budget=self._started.experiments,
            opened=len(self.tried),
            watermark=len(self.tried),
            settled=len(self.tried),
            analysed=len(self.tried),
            founders=tuple(one.id for one in self.tried[:FOUNDERS]),
            ranking=tuple(one.id for one in ranked[:MAX_RANKED]),
            pool=self._state,
            last_seq=1 + len(self.tried),
        )

    def _drive(self, steps: Subdecision[T]) -> T:
        """Run a part of a decision and answer its questions."""
        reply: Record | None = None
        try:
            while True:
                step = steps.send(reply)
                reply = None if isinstance(step, Post) else self._answer(step)
        except StopIteration as stop:
            return stop.value

    def _answer(self, question: Any) -> Record:
        """Answer as memory does in a campaign without papers and forecasts: what there is none of is empty."""
        if isinstance(question, AskAnalysed):
            newest = self.tried[len(self.tried) - min(question.newest, len(self.tried)) :]
            wanted = {one.id for one in newest} | set(question.ids)
            ranked = sorted((one for one in self.tried if one.id in wanted), key=lambda one: one.shown)
            return Experiments(rows=tuple(one.row for one in ranked))
        if isinstance(question, AskExperiments):
            wanted = set(question.ids or (one.id for one in self.tried))
            return Experiments(rows=tuple(one.row for one in self.tried if one.id in wanted))
        if isinstance(question, AskOutcomes):
            guided = self.tried[FOUNDERS:]
            rows = [TrialOutcome(id=one.id, operator=one.operator, objective=-one.shown) for one in guided]
            return Outcomes(rows=tuple(rows[-question.newest :]))
        if isinstance(question, AskForecast):
            return Forecasts(rows=tuple(DesignForecast(known=False) for _ in question.designs))
        if isinstance(question, AskCognition | AskNeighbours):
            return question.Reply.model_validate({"rows": ()})
        return question.Reply()


def _blind_start(designs: int) -> CampaignStarted:
    """Return the first event of a search, which says how long it is and nothing of where it is."""
    return CampaignStarted(
        goal="", seed=0, scale="landscape", experiments=designs - FOUNDERS, slots=1,
        baselines=tuple(f"start{number}" for number in range(FOUNDERS)), limits=Limits(seconds=1, memory_mb=1),
        policy="program", policy_parameters={},
    )  # fmt: skip
