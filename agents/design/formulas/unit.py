"""The unit of a formula's key, as the grammar's tables have units: code, words, reason and slots."""

from functools import lru_cache

from agents.design.formulas.code import expression_lines, init_lines, leaf_lines
from agents.design.formulas.expression import Expression
from agents.design.formulas.keys import formula_of
from agents.design.formulas.openings import OPENINGS
from agents.design.formulas.ranges import shape_of
from agents.design.formulas.words import in_words
from agents.design.units.unit import Unit
from bus.vocabulary.design_edits import FUNCTION_MARK

_DELTA = "S ← {S} + β_t k_t (v_t − ({S})ᵀ k_t)ᵀ"
_SHAPES = {"head": "[B, T, H, 1]", "key": "[B, T, H, K]", "value": "[B, T, H, V]"}
_REASONS = {
    "decay": "lets what it reads decide when the state forgets",
    "update": "lets what it reads decide how far a write corrects the state",
    "feature": "shapes which keys a query meets",
    "value": "changes what a write stores",
    "read": "changes what leaves the state",
    "gate": "decides which reads reach the residual stream",
}
_OF_LEAF = {"k": "the key", "q": "the query", "v": "the value", "r": "the read"}
_TAGS = {"update": "beta", "feature": "map"}
_TAG_DIGITS = 3


@lru_cache(maxsize=2048)
def formula_unit(axis: str, key: str) -> Unit:
    """Return the unit of a formula. Raises ValueError if the key is no canonical formula that fits the axis."""
    tree = formula_of(axis, key)
    formula = f"{OPENINGS[axis].left} = {in_words(tree)}"
    title = OPENINGS[axis].title
    tag = f"{_TAGS.get(axis, axis)}-{key.split(FUNCTION_MARK)[1][:_TAG_DIGITS]}"
    return Unit(
        key,
        f"{title} by formula, {formula}",
        f"The formula {formula} {_REASONS[axis]}{_aside(axis, tree)}",
        tag,
        init=_in_frame(axis, init_lines(tree, axis)),
        forward=_forward(axis, tree),
        slots=_slots(axis, formula, in_words(tree), tree),
    )


def _aside(axis: str, tree: Expression) -> str:
    """Return what is unusual about a formula: that it reads the state's own vectors, or the past."""
    read = [words for name, words in _OF_LEAF.items() if name in tree.leaves and name != OPENINGS[axis].needs]
    past = ["the steps so far"] if any(node.op == "mean" for _, node in tree.nodes()) else []
    return f", and it looks at {' and '.join([*read, *past])}" if read or past else ""


def _forward(axis: str, tree: Expression) -> str:
    """Return the lines of the forward pass."""
    shape = _SHAPES.get(shape_of(tree), "")
    if axis == "feature":
        parts = [expression_lines(tree, axis, f"{z} = %  # {shape}", {"z": z}) for z in "qk"]
        return "\n".join([leaf_lines(tree, axis), *parts]).strip()
    target, binding = {
        "decay": (f"g = %  # {shape}", 0),
        "update": ("beta = %.squeeze(-1)  # [B, T, H]", 3),
        "value": (f"v = %  # {shape}", 0),
        "read": (f"o = %  # {shape}", 0),
        "gate": ("o = (o * %).flatten(2)  # [B, T, H * V]", 2),
    }[axis]
    heads = "o = o.unflatten(-1, (self.n_heads, -1))  # [B, T, H, V]" if axis == "gate" else ""
    assignment = expression_lines(tree, axis, target, {"r": "o"}, binding)
    lines = [line for line in (heads, leaf_lines(tree, axis), assignment) if line]
    return _in_frame(axis, "\n".join(lines))


def _in_frame(axis: str, text: str) -> str:
    """Return the lines as they stand in a frame, whose parts have no prefix, or in a path."""
    return text.replace("{p}", "") if axis == "gate" else text


def _slots(axis: str, formula: str, words: str, tree: Expression) -> dict[str, str]:
    """Return the slots that other units' code and the docstring read."""
    if axis == "decay":
        wide = shape_of(tree) == "key"
        return {"log_decay": "g", "forget": "diag(γ_t) S" if wide else "γ_t S", "where": formula}
    if axis == "update":
        return {"written": "v", "write": _DELTA, "gates": formula, "beta": "beta=beta"}
    return {"reading": f"r_t = Sᵀ q_t / √K; o_t = {words}"} if axis == "read" else {}
