"""The named units that are formulas too: where an operator on trees starts, and what a formula may turn out to be."""

from collections.abc import Mapping
from functools import lru_cache

from agents.design.formulas.expression import Expression, parse
from agents.design.formulas.values import agree, fingerprint

SEEDS: Mapping[str, Mapping[str, str]] = {
    "decay": {
        "learned": "mul(-1,softplus(mul(-1,s0)))",
        "sigmoid": "mul(-1,softplus(add(h0,mul(-1,s0))))",
        "scalar": "mul(-1,exp(a0),softplus(add(h0,mul(-1,s0))))",
        "channel": "mul(-0.0625,softplus(c0))",
        "channel_step": "mul(-1,exp(a0),softplus(add(c0,mul(-1,s0))))",
    },
    "update": {"delta": "sigmoid(h0)", "delta_wide": "mul(2,sigmoid(h0))"},
    "feature": {
        "identity": "z",
        "elu1": "add(relu(z),exp(mul(-1,relu(mul(-1,z)))))",
        "relu": "relu(z)",
        "relu_squared": "mul(relu(z),relu(z))",
        "silu": "mul(z,sigmoid(z))",
        "softplus": "softplus(z)",
        "softmax": "softmax(z)",
    },
    "value": {"none": "v"},
    "read": {"plain": "r"},
    "gate": {
        "silu": "mul(g0,sigmoid(g0))",
        "sigmoid": "sigmoid(g0)",
        "head": "sigmoid(h0)",
    },
}
"""Axis to named unit to its formula. A learned decay reads no token, so it only starts other formulas."""
_STARTS_ELSEWHERE = {"decay": ("scalar", "channel_step")}
"""Named units of the same function whose parameters start elsewhere: they are no duplicates of the formula."""


def seed_of(axis: str, key: str) -> Expression | None:
    """Return the formula of a named unit; None if it is none."""
    text = SEEDS[axis].get(key)
    return parse(text) if text else None


def named_unit(axis: str, tree: Expression) -> str | None:
    """Return the key of the named unit that computes the same function; None if there is none."""
    key = _named(axis).get(fingerprint(tree))
    return key if key and agree(tree, parse(SEEDS[axis][key])) else None


@lru_cache
def _named(axis: str) -> Mapping[str, str]:
    """Return fingerprint to key for the named units of an axis."""
    apart = _STARTS_ELSEWHERE.get(axis, ())
    return {fingerprint(parse(text)): key for key, text in SEEDS[axis].items() if key not in apart}
