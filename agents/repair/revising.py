"""The next attempt without a model: a rule's or the grammar's, or a variation if an earlier experiment was that one.

A run of an earlier experiment's source or design would repeat its result, since all runs share data and seed. So a
repair that comes to one is varied by the grammar, a few times at most; if it reads as no design, there is none.
"""

from collections.abc import Mapping
from random import Random
from typing import cast

from pydantic import JsonValue

from agents.design import Design, mutate, render
from agents.repair.attempt import Attempt, AttemptFault
from agents.repair.repairer import repair
from agents.thinking.novelty import earlier_attempt, structure_of
from bus.delivery.role import Subdecision
from bus.vocabulary.events import CodeRevised
from bus.wire.envelope import Envelope
from bus.wire.plain_text import clean_line

CHANGE_CHARACTERS = 400
MAX_VARIATIONS = 4
"""Designs that are tried in place of a repair that an earlier experiment was."""


def revision_by_rules(attempt: Attempt, fault: AttemptFault, random: Random) -> CodeRevised | None:
    """Return the next attempt by a rule for common faults, or by the grammar; None if neither helps."""
    fix = repair(attempt.source, fault.reason, fault.message, fault.tail, _design_of(attempt.design), random)
    if fix is None:
        return None
    return CodeRevised(
        attempt=attempt.number + 1,
        source=fix.source,
        change=clean_line(fix.change, CHANGE_CHARACTERS),
        repaired_by=fix.repaired_by,
        design=cast("dict[str, JsonValue]", fix.design.to_json()) if fix.design else None,
    )


def new_revision(envelope: Envelope, revised: CodeRevised, random: Random) -> Subdecision[CodeRevised | str]:
    """Return a revision, or a variation of it, that no earlier experiment was; one line if there is none."""
    change = revised.change
    for _ in range(1 + MAX_VARIATIONS):
        structure = structure_of(revised.source, revised.design)
        earlier = yield from earlier_attempt(envelope, revised.model_copy(update={"design": structure}))
        design = _design_of(structure)
        if earlier is None:
            return revised
        if design is None:
            return f"its repair is what {earlier.id} was, and reads as no design that can be varied"
        revised = _varied(revised, design, f"{change}; {earlier.id} was that, so", random)
    return f"its repair and {MAX_VARIATIONS} variations are what earlier experiments were"


def _varied(revised: CodeRevised, design: Design, why: str, random: Random) -> CodeRevised:
    """Return a revision with a variation of its design."""
    variation = mutate(design, random)
    changes: dict[str, object] = {
        "source": render(variation.design).source,
        "design": variation.design.to_json(),
        "change": clean_line(f"{why} {variation.change}", CHANGE_CHARACTERS),
        "repaired_by": "grammar",
    }
    return CodeRevised.model_validate(revised.model_dump() | changes)


def _design_of(design: Mapping[str, JsonValue] | None) -> Design | None:
    """Return a design; None if there is none that today's grammar reads."""
    try:
        return Design.from_json(design) if design else None
    except ValueError:
        return None
