"""A formula for people: `−exp(a)·softplus(w x_t − b)`."""

from functools import lru_cache

from agents.design.formulas.expression import Expression
from agents.design.formulas.openings import LEAVES

_NAMES = {"sigmoid": "σ", "mean": "mean≤t"}


@lru_cache(maxsize=1024)
def in_words(tree: Expression) -> str:
    """Return a tree as a formula in the field's notation."""
    return _written(tree, 0)


def _written(tree: Expression, binding: int) -> str:
    """Return a tree's formula, in parentheses if it binds less than its place: 0 anywhere, 1 term, 2 factor."""
    if tree.op == "number":
        return f"{tree.value:.3g}".replace("-", "−")
    if not tree.args:
        words = LEAVES[tree.op].words
        return f"({words})" if binding == 2 and " " in words else words
    if tree.op == "add":
        terms = [_written(arg, 1) for arg in tree.args]
        terms.sort(key=lambda term: term.startswith("−"))
        text = terms[0] + "".join(f" − {term[1:]}" if term.startswith("−") else f" + {term}" for term in terms[1:])
        return f"({text})" if binding else text
    if tree.op == "mul":
        return _product(tree, binding)
    inner = [_written(arg, 0) for arg in tree.args]
    if tree.op == "norm":
        return f"‖{inner[0]}‖"
    return f"⟨{inner[0]}, {inner[1]}⟩" if tree.op == "dot" else f"{_NAMES.get(tree.op, tree.op)}({inner[0]})"


def _product(tree: Expression, binding: int) -> str:
    sign = "−" if tree.args[0] == Expression("number", value=-1.0) else ""
    factors = list(tree.args[1:] if sign else tree.args)
    parts = []
    for factor in dict.fromkeys(factors):
        power = {1: "", 2: "²", 3: "³"}.get(factors.count(factor), "ⁿ")
        parts.append(_written(factor, 2 if len(factors) > 1 else 1) + power)
    text = sign + "·".join(parts)
    return f"({text})" if binding == 2 and sign else text
