"""Unit by unit: a model answers one question of a design after another; what passes is frozen, what fails is retried.

With a chance p that a unit is right, n units take n / p questions, where a whole design takes 1 / pⁿ (Genesys, arXiv
2506.20249). The grammar renders the result, so its source is sound by construction and its structure is known.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import cast

from pydantic import JsonValue

from agents.design.render import render
from agents.design.space import repair_choices, with_frame
from agents.design.tree import Design
from agents.design.units.framing import FRAME, FRAME_RULES
from agents.design.units.unit import Axis
from agents.llm.schemas import UnitChoice, UnitPlan
from agents.search.draws import search_draws
from agents.thinking.conversation import RoleConversation
from agents.thinking.correcting import Fault
from agents.thinking.forms import MOTIVATION_CHARACTERS, NAME_CHARACTERS, Written
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import Experiment
from bus.wire.plain_text import clean_line, clean_text

MAX_UNITS = 4
"""Questions of a design that one idea answers in another way."""
MAX_TRIES = 5
"""Answers to one question before the parent's unit stays."""


@dataclass(frozen=True, slots=True)
class UnitSite:
    """A question of a design: an axis of the frame, or of one of its paths."""

    label: str
    """Its name in prompts: `gate`, `memory.decay`, `memory2.decay`."""
    path: int | None
    """Index of the path; None for the frame."""
    axis: Axis
    """The question, with its possible answers."""

    def choice(self, design: Design) -> str:
        """Return a design's answer."""
        return (design if self.path is None else design.paths[self.path]).choices[self.axis.name]


def sites(design: Design) -> dict[str, UnitSite]:
    """Return the questions of a design by their labels."""
    return {site.label: site for site in (*_frame_sites(design), *_path_sites(design))}


def _frame_sites(design: Design) -> Iterator[UnitSite]:
    unused = {"fusion"} if len(design.paths) == 1 else set[str]()
    return (UnitSite(axis.name, None, axis) for axis in FRAME if axis.name not in unused)


def _path_sites(design: Design) -> Iterator[UnitSite]:
    kinds = [path.kind for path in design.paths]
    for index, path in enumerate(design.paths):
        number = str(1 + kinds[:index].count(path.kind)) if kinds.count(path.kind) > 1 else ""
        yield from (UnitSite(f"{path.kind}{number}.{axis.name}", index, axis) for axis in path.axes if axis.is_closed)


def answered(design: Design, site: UnitSite, unit: str, settled: Collection[UnitSite], random: Random) -> Design:
    """Return a design with one question answered by a unit; settled answers stay, others change if a rule demands it.

    Raises ValueError for an unknown unit, or if the rules allow no such design.
    """
    site.axis[unit]
    keep = {one.axis.name for one in settled if one.path == site.path} | {site.axis.name}
    if site.path is None:
        choices = design.choices | {site.axis.name: unit, "paths": str(len(design.paths))}
        return with_frame(design.paths, repair_choices(choices, FRAME, FRAME_RULES, {*keep, "paths"}, random))
    path = design.paths[site.path]
    choices = repair_choices(path.choices | {site.axis.name: unit}, path.axes, path.rules, keep, random)
    paths = (*design.paths[: site.path], type(path)(**choices), *design.paths[site.path + 1 :])
    return replace(design, paths=paths)


def design(talk: RoleConversation, parent: Experiment, tools: tuple[str, ...]) -> Subdecision[Written | Fault | str]:
    """Return a design whose units a model has chosen one by one, or one line that says why there is none."""
    before = Design.from_json(parent.design)
    known = sites(before)
    talk.tell("units", _listing(known, before), "lab")
    plan = yield from talk.ask("unit_plan_task", UnitPlan, tools=tools, slots={"most": str(MAX_UNITS)})
    if isinstance(plan, str):
        return plan
    wanted = [known[label] for label in dict.fromkeys(plan.questions) if label in known][:MAX_UNITS]
    after = yield from _answers(talk, before, wanted)
    if isinstance(after, str):
        return after
    if after == before:
        return Fault("no unit of the parent was changed")
    source, shape = render(after).source, cast("dict[str, JsonValue]", after.to_json())
    name, motivation = clean_line(plan.name, NAME_CHARACTERS), clean_text(plan.motivation, MOTIVATION_CHARACTERS)
    return Written(name, motivation, source, shape) if name and motivation else Fault("it has no name or no motivation")


def _answers(talk: RoleConversation, design: Design, wanted: list[UnitSite]) -> Subdecision[Design | str]:
    """Return the design after every question has been answered, each frozen once its answer passes."""
    random = search_draws(talk.envelope.campaign, talk.envelope.experiment, "units", talk.started)
    settled: list[UnitSite] = []
    for site in wanted:
        for _ in range(MAX_TRIES):
            choice = yield from talk.ask("unit_task", UnitChoice, slots=_question(site, settled, design))
            if isinstance(choice, str):
                return choice
            try:
                design = answered(design, site, clean_line(choice.unit, NAME_CHARACTERS), settled, random)
            except ValueError as error:
                talk.tell("fault", str(error), "lab")
            else:
                settled.append(site)
                break
    return design


def _question(site: UnitSite, settled: list[UnitSite], design: Design) -> dict[str, str]:
    frozen = ", ".join(f"{one.label} {one.choice(design)}" for one in settled)
    units = "; ".join(f"{unit.key}: {unit.gist}" for unit in site.axis.units)
    return {"question": f"{site.label}, {site.axis.gist}", "settled": frozen or "none yet", "units": units}


def _listing(known: dict[str, UnitSite], design: Design) -> str:
    """Return the questions with the parent's answers, one a line."""
    return "\n".join(f"{label} ({site.axis.gist}): {site.choice(design)}" for label, site in known.items())
