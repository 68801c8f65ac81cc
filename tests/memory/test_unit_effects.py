"""AskUnitEffects: what units are worth, by the model that ranks, as of any position."""

from typing import Any

import pytest

from bus.vocabulary.queries import AskUnitEffects, UnitEffect, UnitEffects
from memory.queries import Knowledge, answer
from tests.support.scribe import OBJECTIVE, Scribe

FORMULA = "=softplus(add(h0,k))#3d3da08661"


def effects(scribe: Scribe, at: int = 0) -> UnitEffects:
    """Ask for the effects."""
    reply = answer(Knowledge(scribe.store), AskUnitEffects(at=at))
    assert isinstance(reply, UnitEffects)
    return reply


def contrast(scribe: Scribe, good: str, bad: str, pairs: int = 10) -> int:
    """Write designs with one of two gates, and return the last position."""
    scribe.start(objective=OBJECTIVE)
    for slot in range(1, pairs + 1):
        scribe.finish_scored(slot, 3.0 + 0.1 * (slot % 3), gate=good)
        scribe.finish_scored(100 + slot, -3.0 + 0.1 * (slot % 3), gate=bad)
    return scribe.store.position


def by_name(found: UnitEffects) -> dict[str, UnitEffect]:
    """Return the effects by name."""
    return {row.name: row for row in found.rows}


def test_the_unit_that_makes_the_difference_has_a_decided_effect(scribe: Scribe) -> None:
    """Units that all designs share stay open."""
    contrast(scribe, "silu", "none")
    found = by_name(effects(scribe))
    assert (found["gate:silu"].verdict, found["gate:none"].verdict) == ("helps", "hurts")
    assert {row.name for row in effects(scribe).decided()} == {"gate:silu", "gate:none"}
    assert found["gate:silu"].low < found["gate:silu"].effect < found["gate:silu"].high
    assert found["gate:silu"].designs == 10
    assert found["path:window"].verdict == "open"
    assert found["span:8"].unit == "window/span:8"


def test_rows_come_best_first(scribe: Scribe) -> None:
    """The best effect leads, the worst ends."""
    contrast(scribe, "silu", "none")
    rows = effects(scribe).rows
    assert [row.effect for row in rows] == sorted((row.effect for row in rows), reverse=True)
    assert (rows[0].name, rows[-1].name) == ("gate:silu", "gate:none")


def test_a_formula_is_named_in_full_and_counted_by_its_function(scribe: Scribe) -> None:
    """Another text of the same function is the same unit; the first text names it."""
    scribe.start(objective=OBJECTIVE)
    for slot, gate in enumerate((FORMULA, FORMULA.replace("add(h0,k)", "add(k,h0)"), "none"), 1):
        scribe.finish_scored(slot, 2.0, gate=gate)
    found = by_name(effects(scribe))
    assert found[f"gate:{FORMULA}"].designs == 2
    assert len([name for name in found if name.startswith("gate:")]) == 2


def test_effects_are_as_of_a_position(scribe: Scribe) -> None:
    """Later analyses and later units change no earlier answer."""
    last = contrast(scribe, "silu", "none")
    before = effects(scribe)
    for slot in range(200, 210):
        scribe.finish_scored(slot, 9.0, gate="new")
    assert effects(scribe).rows != before.rows
    assert effects(scribe, last) == before
    assert all(row.name != "gate:new" for row in effects(scribe, last).rows)


@pytest.mark.parametrize("fields", [{}, {"objective": OBJECTIVE}])
def test_too_little_is_known(scribe: Scribe, fields: dict[str, Any]) -> None:
    """Without an objective, or with two analyses, there is no effect."""
    scribe.start(**fields)
    for slot in (1, 2):
        scribe.finish_scored(slot, float(slot))
    assert effects(scribe).rows == ()
