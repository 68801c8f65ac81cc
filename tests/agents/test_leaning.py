"""Leaning: decided effects of units become factors on their weights."""

from agents.search.leaning import leaning
from bus.vocabulary.queries import UnitEffect, UnitEffects


def effect(unit: str, low: float, high: float, formula: str | None = None) -> UnitEffect:
    """Return an effect in the middle of its interval."""
    return UnitEffect(unit=unit, formula=formula, designs=9, effect=(low + high) / 2, low=low, high=high)


def test_only_decided_effects_count() -> None:
    """Units that help get the factor, those that hurt one over it, and open ones none."""
    rows = (effect("memory/update:delta", 0.2, 1.0), effect("gate:silu", -0.1, 1.0), effect("gate:none", -2.0, -0.1))
    assert leaning(UnitEffects(rows=rows), 4.0).factors == {"update:delta": 4.0, "gate:none": 0.25}


def test_paths_lean_by_their_kind() -> None:
    """The kind of a path is a unit like others."""
    assert leaning(UnitEffects(rows=(effect("window/kind:window", 0.2, 1.0),)), 2.0).factors == {"path:window": 2.0}


def test_a_unit_that_helps_in_one_path_and_hurts_in_another_has_no_lean() -> None:
    """A memory and a window share the axis `norm`."""
    rows = (effect("memory/norm:rms", 0.2, 1.0), effect("window/norm:rms", -1.0, -0.2))
    assert leaning(UnitEffects(rows=rows), 4.0).factors == {}
    assert leaning(UnitEffects(rows=rows[:1]), 4.0).factors == {"norm:rms": 4.0}


def test_formulas_and_units_of_other_grammars_have_no_lean() -> None:
    """The grammar draws formulas by other rules."""
    rows = (effect("memory/decay:0badf00d00", 1.0, 2.0, "=mul(-1,k)#0badf00d00"), effect("colour:red", 1.0, 2.0))
    assert leaning(UnitEffects(rows=rows), 4.0).factors == {}
