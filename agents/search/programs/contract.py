"""The contract of a search policy as a list of rules, which a researcher program is examined by.

Each rule is tried on a made-up campaign (`practice`), in the sandbox, as a real one asks it. A rule's verdict is a line
for the author: kept, or why not.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from agents.search.policy import SearchPolicy, Suggestion
from agents.search.programs import practice
from agents.search.programs.checking import check_program
from agents.search.programs.faults import ProgramFault
from agents.search.programs.hosting import HeldProgram, ProgramHost, ProgramLimits
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus, Query

SEEDS = range(12)
ANALYSES = len(practice.RANKED)
MEAN_STEP_CPU_S = 0.1
"""Most CPU seconds that a step may take on average."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """Whether a program keeps a rule."""

    rule: str
    kept: bool
    why: str
    """Why not, or what was measured."""
    program: str = ""
    """Name that the policy gives itself, with the rule by which it loads."""


@dataclass
class RuleTrial:
    """One program on the made-up campaign."""

    policy: SearchPolicy
    steps: int = 0
    """Calls of `ask` and `tell` so far."""

    def ask(self, now: CampaignStatus, state: dict[str, Any], seed: int = 0) -> Suggestion:
        """Ask as the director does. Raises ProgramFault."""
        return self._drive(self.policy.ask(now, state, Random(seed)), now)

    def fold(self) -> dict[str, Any]:
        """Return the state after every analysis was told once. Raises ProgramFault."""
        state: dict[str, Any] = {}
        generation = 0
        for count in range(1, ANALYSES + 1):
            now = practice.status(count)
            renewal = self._drive(self.policy.tell(now, state), now)
            if renewal:
                if renewal.generation <= generation:
                    raise ProgramFault("bad_answer", f"generation {renewal.generation} follows {generation}")
                state, generation = json.loads(json.dumps(dict(renewal.state))), renewal.generation
        return state

    def _drive(self, steps: Subdecision[T], now: CampaignStatus) -> T:
        self.steps += 1
        reply: Any = None
        try:
            while True:
                question = steps.send(reply)
                assert isinstance(question, Query), "a held program answers its steps itself"
                reply = practice.answer(question, now)
        except StopIteration as stop:
            return stop.value


def _suggests_without_results(trial: RuleTrial) -> str:
    for founders in ((), practice.status(0).founders):
        trial.ask(practice.status(0, founders=founders), {})
    return ""


def _repeats_itself(trial: RuleTrial) -> str:
    now, state = practice.status(ANALYSES), trial.fold()
    differing = [seed for seed in SEEDS if trial.ask(now, state, seed) != trial.ask(now, state, seed)]
    return f"seed {differing[0]} gave two suggestions" if differing else ""


def _keeps_no_state(trial: RuleTrial) -> str:
    now, state = practice.status(ANALYSES), trial.fold()
    before = [trial.ask(now, state, seed) for seed in SEEDS]
    trial.fold()
    trial.ask(practice.status(0), {}, 99)
    after = [trial.ask(now, state, seed) for seed in SEEDS]
    return "" if before == after else "calls in between changed a suggestion"


def _folds_its_state(trial: RuleTrial) -> str:
    return "" if trial.fold() == trial.fold() else "the same analyses gave two states"


def _respects_vetoes(trial: RuleTrial) -> str:
    state = trial.fold()
    for vetoed in (practice.RANKED[:5], practice.RANKED):
        ranking = tuple(name for name in practice.RANKED if name not in vetoed)
        for seed in SEEDS:
            trial.ask(practice.status(ANALYSES, vetoed=vetoed, ranking=ranking), state, seed)
    return ""


RULES: dict[str, Callable[[RuleTrial], str]] = {
    "it suggests without any result": _suggests_without_results,
    "its state is folded from analyses, and survives the log": _folds_its_state,
    "the same seed gives the same suggestion": _repeats_itself,
    "it keeps nothing between calls": _keeps_no_state,
    "it suggests experiments that there are, none under a veto": _respects_vetoes,
}
"""Rule → a function that returns why it is broken, or nothing; a ProgramFault breaks it too."""


def examine(source: str, host: ProgramHost, limits: ProgramLimits | None = None) -> Iterator[RuleVerdict]:
    """Yield the verdict of every rule, as far as the program comes. Raises SandboxUnavailable."""
    faults = check_program(source)
    yield RuleVerdict("the source keeps to the protocol", not faults, "\n".join(map(str, faults)))
    if faults:
        return
    size = (practice.EXPERIMENTS, len(practice.BASELINES))
    try:
        program = host.load(source, size=size, limits=limits, checked=True)
    except ProgramFault as fault:
        yield RuleVerdict("it loads in the sandbox", kept=False, why=str(fault))
        return
    with program:
        parameters = ", ".join(program.parameters or {}) or "none"
        why = f"{program.name}; parameters: {parameters}"
        yield RuleVerdict("it loads in the sandbox", kept=True, why=why, program=program.name)
        trial = RuleTrial(program.policy)
        yield from (_verdict(rule, check, trial) for rule, check in RULES.items())
        yield _cost(program, trial)


def _verdict(rule: str, check: Callable[[RuleTrial], str], trial: RuleTrial) -> RuleVerdict:
    try:
        why = check(trial)
    except ProgramFault as fault:
        why = str(fault)
    return RuleVerdict(rule, not why, why)


def _cost(program: HeldProgram, trial: RuleTrial) -> RuleVerdict:
    mean_s = program.cpu_seconds / trial.steps
    measured = f"{1000 * mean_s:.1f} ms a call, at most {1000 * MEAN_STEP_CPU_S:.0f}"
    return RuleVerdict("its CPU time is small", mean_s <= MEAN_STEP_CPU_S, measured)
