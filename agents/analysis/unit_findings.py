"""What the campaign has learned of a design's units, in sentences.

Only decided effects are named: those whose interval of 95 % lies on one side of 0. They are about all designs of the
campaign, so a unit that hurts on the whole may still serve this design.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.design.wishes import unit_named, unit_words
from bus.vocabulary.design_edits import design_items
from bus.vocabulary.queries import UnitEffect, UnitEffects

MAX_NAMED = 2
"""Units that help, and units that hurt, in a finding: those of the largest effects."""
MAX_FORMULA_CHARACTERS = 60


def unit_findings(effects: UnitEffects, design: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the largest decided effects of a design's units as one finding; none if none is decided."""
    rows = _decided_in(effects, design)
    helping, hurting = rows[:MAX_NAMED], rows[::-1][:MAX_NAMED]
    named = [_figures(row) for row in helping if row.verdict == "helps"]
    named += [_figures(row) for row in hurting if row.verdict == "hurts"]
    return (f"Over {effects.analysed} experiments, of its units {', '.join(named)}.",) if named else ()


def burden(effects: UnitEffects, design: Mapping[str, Any] | None) -> str:
    """Return the design's unit that hurts most as a sentence without figures; nothing if none does."""
    rows = _decided_in(effects, design)
    if not rows or rows[-1].verdict != "hurts":
        return ""
    return fared_worse(rows[-1].name)


def fared_worse(unit: str) -> str:
    """Return the sentence on a unit that hurts, given as `axis:key` or `path:kind`."""
    known = unit.startswith("path:") or unit_named(unit) is not None
    words = unit_words(unit) if known else f"this {unit.partition(':')[0].replace('_', ' ')} formula"
    return f"Designs with {words} have fared worse."


def _decided_in(effects: UnitEffects, design: Mapping[str, Any] | None) -> Sequence[UnitEffect]:
    """Return the decided effects of a design's units, the best first."""
    items = design_items(design) if design else None
    units = items.frame.union(*items.paths) if items else frozenset[str]()
    return [row for row in effects.decided() if row.unit in units]


def _figures(row: UnitEffect) -> str:
    """Return a unit's effect with its interval, such as `update:delta helps by 1.2 seed noises (0.4 to 2.0)`."""
    size, (least, most) = abs(row.effect), sorted((abs(row.low), abs(row.high)))
    name = row.name if len(row.name) <= MAX_FORMULA_CHARACTERS else f"{row.name[:MAX_FORMULA_CHARACTERS]}…"
    return f"{name} {row.verdict} by {size:.1f} seed noises ({least:.1f} to {most:.1f})"
