"""A scripted model that designs over the grammar and errs: it measures the yield of the researcher's conversation.

It wants to change some units of the parent. Each unit comes out right with one chance. A wrong one is an import of a
package that does not exist in a whole file, and an unknown name if units are asked one by one. An answer may be no
JSON, which costs one more request, as the adapter asks again. An idea may repeat an earlier one.
"""

import re
from dataclasses import dataclass, field
from random import Random

from agents.admission.static_check import check
from agents.design import Design, render
from agents.llm.schemas import Draft, Plan, Reflection, Sameness, UnitChoice, UnitPlan
from agents.thinking.unitwise import UnitSite, answered, sites
from bus.vocabulary.events import ModelAccount
from bus.vocabulary.questions import Completion, CompletionReply

MAX_JSON_TRIES = 3
"""Requests for one answer before the adapter gives up."""
MAX_TOOL_CALLS = 4
_WRONG = "wrong_unit_"


@dataclass(frozen=True, slots=True)
class Skill:
    """How well the scripted model designs."""

    right: float = 0.6
    """Chance that a unit comes out right."""
    kept: float = 0.95
    """Chance that a unit stays right if the file is written again because of another one."""
    no_json: float = 0.1
    """Chance that an answer is no JSON."""
    repeat: float = 0.2
    """Chance that an idea repeats an earlier one."""
    units: int = 4
    """Units of the parent that it changes."""


@dataclass
class FaultyDesigner:
    """The model of one slot."""

    skill: Skill
    parent: Design
    earlier: list[Design]
    """Ideas that it may repeat."""
    random: Random
    requests: int = 0
    """Requests so far, those for tools and for repeated JSON included."""
    _goals: dict[str, str] = field(default_factory=dict[str, str])
    """Question → the unit that answers it in this idea."""
    design: Design | None = None
    """The design that a whole file stands for."""
    _wrong: set[int] = field(default_factory=set[int])
    """Units of the whole file that came out wrong."""

    def answer(self, question: Completion) -> CompletionReply:
        """Return the answer to a question of the researcher."""
        before = self.requests
        readable = self._read_json()
        body = self._body(question) if readable else ""
        account = ModelAccount(model="scripted", requests=self.requests - before)
        return CompletionReply(body=body, error="" if readable else "the answer is no JSON", account=account)

    def _read_json(self) -> bool:
        """Spend requests until an answer is JSON; return whether one was."""
        for _ in range(MAX_JSON_TRIES):
            self.requests += 1
            if self.random.random() >= self.skill.no_json:
                return True
        return False

    def _body(self, question: Completion) -> str:
        match question.schema_name:
            case "Draft":
                return self._draft(question).model_dump_json()
            case "UnitPlan":
                self._begin()
                return UnitPlan(name="n", motivation="why.", questions=list(self._goals)).model_dump_json()
            case "UnitChoice":
                return self._choice(question).model_dump_json()
            case "Plan":
                return Plan(mechanism="m", weakness="w", expected="e").model_dump_json()
            case "Sameness":
                return Sameness(same_as="", why="it differs").model_dump_json()
            case _:
                return Reflection(holds=True, why="it is right").model_dump_json()

    def _begin(self) -> None:
        """Choose what the next idea changes; a repetition is an earlier file, or the parent's own units again."""
        self._goals, self.design = self._changes()
        if self.earlier and self.random.random() < self.skill.repeat:
            self.design = self.random.choice(self.earlier)
            known = sites(self.parent)
            self._goals = {label: known[label].choice(self.parent) for label in self._goals}
        self._wrong = {unit for unit in range(self.skill.units) if self.random.random() >= self.skill.right}

    def _changes(self) -> tuple[dict[str, str], Design]:
        """Return units to change and the design that they lead to."""
        goals, settled, design = dict[str, str](), list[UnitSite](), self.parent
        for site in self.random.sample(list(sites(self.parent).values()), len(sites(self.parent))):
            if len(goals) == self.skill.units:
                break
            unit = self.random.choice(site.axis.keys)
            try:
                changed = answered(design, site, unit, settled, Random(0))
            except ValueError:
                continue
            if unit != site.choice(design):
                goals[site.label], design = unit, changed
                settled.append(site)
        return goals, design

    def _draft(self, question: Completion) -> Draft:
        """Return a whole file; after a fault that it was shown, the unit behind it is written again."""
        if self.design is None or "was tried before" in question.prompt.rpartition("\n\n")[2]:
            self._begin()
        elif shown := re.findall(rf"{_WRONG}(\d+)", question.prompt):
            self._rewrite(int(shown[-1]))
        if "check_source" in question.tools:
            self._use_check()
        return Draft(name="n", motivation="why.", source=self._source())

    def _use_check(self) -> None:
        """Call the tool and write again what it names; every call is a request."""
        for _ in range(MAX_TOOL_CALLS):
            self.requests += 1
            fault = check(self._source())
            if fault is None:
                return
            self._rewrite(int(re.findall(rf"{_WRONG}(\d+)", fault.message)[0]))

    def _rewrite(self, unit: int) -> None:
        """Write the file again for the sake of one unit; others may break."""
        broken = {one for one in range(self.skill.units) if self.random.random() >= self.skill.kept}
        fixed = {unit} if self.random.random() < self.skill.right else set[int]()
        self._wrong = (self._wrong | broken - {unit}) - fixed

    def _source(self) -> str:
        assert self.design is not None
        return "".join(f"import {_WRONG}{unit}\n" for unit in sorted(self._wrong)) + render(self.design).source

    def _choice(self, question: Completion) -> UnitChoice:
        label = re.findall(r"one question of the design: ([\w.]+),", question.prompt)[-1]
        right = self.random.random() < self.skill.right
        return UnitChoice(unit=self._goals[label] if right else f"{_WRONG}0")
