"""One step of repair without a model: a rule for a common fault, or the design without the unit to blame."""

import random
from dataclasses import dataclass
from typing import Literal

from agents.design import Design, render
from agents.repair.redesign import redesigned
from agents.repair.rules import first_fix
from agents.repair.symptom import Symptom


@dataclass(frozen=True)
class Repair:
    """A repaired source, to be tried again."""

    source: str
    """The whole file."""
    change: str
    """What was changed and why."""
    repaired_by: Literal["rules", "grammar"]
    """A rule on the text, or the design grammar."""
    design: Design | None
    """The design that the source was rendered from; None where a rule has edited the text."""


def repair(
    source: str, reason: str, message: str, tail: str, design: Design | None, rng: random.Random
) -> Repair | None:
    """Return the next source to try after a failure; None where neither rule nor grammar has an answer. Never raises.

    `reason`, `message` and `tail` are what the static check, a gate or the trainer said; `design` is the design that
    the source was rendered from, where there is one. A source that still is its design's rendering has no typing
    mistakes, so the grammar replaces a unit; an edited one is mended by rules first.
    """
    symptom = Symptom(source, reason, message, tail)
    edited = design is None or render(design).source != source
    fix = first_fix(symptom) if edited else None
    if fix is not None:
        return Repair(fix.source, fix.change, "rules", None)
    if design is None:
        return None
    if edited:
        return Repair(render(design).source, "rendered the design anew: its text had been edited", "grammar", design)
    child, change = redesigned(symptom, design, rng)
    return Repair(render(child).source, change, "grammar", child)
