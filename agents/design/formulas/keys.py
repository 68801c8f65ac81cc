"""A formula as the key of a unit: `=mul(-1,softplus(h0))#0123456789`, the canonical text and the fingerprint.

The fingerprint stands in the key so that whoever compares designs without this package sees equal functions
(`bus.vocabulary.design_edits`).
"""

from functools import lru_cache

from agents.design.formulas.absorbing import absorbed
from agents.design.formulas.expression import Expression, parse
from agents.design.formulas.known import named_unit
from agents.design.formulas.openings import opening_of
from agents.design.formulas.ranges import fault_of
from agents.design.formulas.values import fingerprint
from bus.vocabulary.design_edits import FORMULA_MARK, FUNCTION_MARK


@lru_cache(maxsize=8192)
def formula_key(axis: str, formula: str | Expression) -> str:
    """Return the key of a formula on an axis, or the key of the named unit that is the same function.

    Raises ValueError if the axis takes no formula, or not this one.
    """
    tree = _read(axis, parse(formula) if isinstance(formula, str) else formula)
    tree = absorbed(tree, opening_of(axis))
    return named_unit(axis, tree) or f"{FORMULA_MARK}{tree.text}{FUNCTION_MARK}{fingerprint(tree)}"


@lru_cache(maxsize=8192)
def formula_of(axis: str, key: str) -> Expression:
    """Return the tree of a formula's key. Raises ValueError if the key is not canonical."""
    text = key.removeprefix(FORMULA_MARK).split(FUNCTION_MARK)[0]
    tree = _read(axis, parse(text))
    expected = f"{FORMULA_MARK}{absorbed(tree, opening_of(axis)).text}{FUNCTION_MARK}{fingerprint(tree)}"
    if key != expected:
        raise ValueError(f"{axis} formula {key!r} is not in canonical form, expected {expected!r}")
    return tree


def _read(axis: str, tree: Expression) -> Expression:
    """Return the tree if it fits the axis. Raises ValueError."""
    if fault := fault_of(tree, opening_of(axis)):
        raise ValueError(f"{axis} {tree.text[:200]!r}: {fault}")
    return tree
