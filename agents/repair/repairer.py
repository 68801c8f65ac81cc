"""One step of repair without a model: a rule for a common fault, or another design without the unit to blame."""

import random
from dataclasses import dataclass
from typing import Literal

from agents.design import Design, render
from agents.repair.redesign import redesign
from agents.repair.rules import first_fix
from agents.repair.symptom import Symptom


@dataclass(frozen=True)
class Repair:
    """A repaired source for the next attempt."""

    source: str
    """The whole file."""
    change: str
    """The change and its reason."""
    repaired_by: Literal["rules", "grammar"]
    """Rules on the text, or the design grammar."""
    design: Design | None
    """The design that the source was rendered from; None if a rule edited the text."""


def repair(
    source: str, reason: str, message: str, tail: str, design: Design | None, rng: random.Random
) -> Repair | None:
    """Return the next source to try after a failure, or None if neither rules nor grammar have a repair. Never raises.

    `reason`, `message` and `tail` come from the static check, a gate or the trainer. `design` is the design that the
    source was rendered from, if there is one. A source that still equals its design's rendering has no typing mistakes,
    so the grammar replaces a unit. If the source was edited, rules try first.
    """
    symptom = Symptom(source, reason, message, tail)
    edited = design is None or render(design).source != source
    fix = first_fix(symptom) if edited else None
    if fix is not None:
        return Repair(fix.source, fix.change, "rules", None)
    if design is None:
        return None
    if edited:
        return Repair(render(design).source, "rendered the design again: its text had been edited", "grammar", design)
    child, change = redesign(symptom, design, rng)
    return Repair(render(child).source, change, "grammar", child)
