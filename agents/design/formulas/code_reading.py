"""From lines of torch back to a formula: the inverse of `agents.design.formulas.code`.

    keys_in("decay", statements)

What a statement assigns may be a formula of an axis in any form that torch's own operators have. Of what is read, the
canonical key is returned, so two ways to write one function give one key.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from agents.design.formulas.expression import MAX_SIZE, Expression, call, leaf, negative, number
from agents.design.formulas.keys import formula_key
from agents.design.formulas.simplify import simplified
from agents.design.units.unit import is_formula

_TARGETS: Mapping[str, str] = {
    "decay": "g", "update": "beta", "feature": "q", "value": "v", "read": "o", "gate": "o",
}  # fmt: skip
"""Axis → the name that its formula is assigned to."""
_OWN: Mapping[str, Mapping[str, str]] = {"feature": {"q": "z"}, "read": {"o": "r"}, "gate": {"o": "r"}}
"""Axis → names in its code that stand for other leaves."""
_LEAVES = frozenset({"h0", "h1", "c0", "g0", "q", "k", "v"})
_ATTRIBUTES: Mapping[str, str] = {"scale": "a0", "horizon": "s0"}
"""End of a parameter's name → the leaf that it is."""
_CALLS: Mapping[str, str] = {
    "torch.sigmoid": "sigmoid", "F.softplus": "softplus", "F.relu": "relu", "torch.exp": "exp",
    "torch.softmax": "softmax",
}  # fmt: skip


_MAX_READ = 8 * MAX_SIZE
"""Nodes of one formula's code that are read, so that parts of parts can't grow without end."""
MAX_FORMULAS = 8
"""Formulas of one axis that are read, the first ones."""


class _NotAFormula(Exception):
    """Says that an expression of Python is no formula."""


def keys_in(axis: str, statements: Iterable[ast.stmt]) -> tuple[str, ...]:
    """Return the keys of the formulas of an axis that statements assign, the first ones first."""
    return tuple(islice(dict.fromkeys(_keys_in(axis, statements)), MAX_FORMULAS))


def _keys_in(axis: str, statements: Iterable[ast.stmt]) -> Iterator[str]:
    parts: dict[str, ast.expr] = {}
    for statement in statements:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            continue
        name = statement.targets[0].id
        if name.startswith("part"):
            parts[name] = statement.value
        elif name == _TARGETS[axis]:
            try:
                key = formula_key(axis, simplified(_Reader(axis, parts).read(_bare(axis, statement.value))))
            except (_NotAFormula, ValueError, RecursionError):
                continue
            if is_formula(key):
                yield key


def _bare(axis: str, code: ast.expr) -> ast.expr:
    """Return a formula's own code, without what its axis puts around it. Raises _NotAFormula."""
    match axis, code:
        case "update", ast.Call(func=ast.Attribute(attr="squeeze", value=inner)):
            return inner
        case "gate", ast.Call(
            func=ast.Attribute(attr="flatten", value=ast.BinOp(left=ast.Name(id="o"), op=ast.Mult(), right=inner))
        ):
            return inner
        case (("update" | "gate"), _):
            raise _NotAFormula
        case _:
            return code


class _Reader:
    """Reads one formula; `parts` are the expressions that have lines of their own."""

    def __init__(self, axis: str, parts: Mapping[str, ast.expr]) -> None:
        self._axis, self._parts = axis, parts
        self._own = _OWN.get(axis, {})
        self._left = _MAX_READ

    def read(self, code: ast.expr) -> Expression:
        """Return the tree of an expression. Raises _NotAFormula."""
        self._left -= 1
        if self._left < 0:
            raise _NotAFormula
        match code:
            case ast.Constant(value=int() | float() as value):
                return number(float(value))
            case ast.Name(id=name):
                return self._named(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self._parameter(name)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                of = self.read(inner)
                return number(-of.value) if of.op == "number" else negative(of)
            case ast.BinOp():
                return self._operation(code)
            case ast.Call():
                return self._call(code)
            case _:
                raise _NotAFormula

    def _named(self, name: str) -> Expression:
        if name in self._parts:
            return self.read(self._parts[name])
        if name in self._own:
            return leaf(self._own[name])
        if name in _LEAVES:
            return leaf(name)
        raise _NotAFormula

    def _parameter(self, name: str) -> Expression:
        for end, leaf_name in _ATTRIBUTES.items():
            if name.endswith(f"{self._axis}_{end}"):
                return leaf(leaf_name)
        raise _NotAFormula

    def _operation(self, code: ast.BinOp) -> Expression:
        match code:
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return call("add", self.read(left), self.read(right))
            case ast.BinOp(op=ast.Sub(), left=left, right=right):
                return call("add", self.read(left), negative(self.read(right)))
            case ast.BinOp(op=ast.Mult(), left=left, right=right):
                return call("mul", self.read(left), self.read(right))
            case ast.BinOp(
                op=ast.Div(), left=ast.Call(func=ast.Attribute(attr="cumsum", value=inner)), right=ast.Name(id="steps")
            ):
                return call("mean", self.read(inner))
            case _:
                raise _NotAFormula

    def _call(self, code: ast.Call) -> Expression:
        match code.func:
            case ast.Attribute(attr="norm", value=inner):
                return call("norm", self.read(inner))
            case ast.Attribute(attr="sum", value=ast.BinOp(op=ast.Mult(), left=left, right=right)):
                return call("dot", self.read(left), self.read(right))
            case ast.Attribute(value=ast.Name(id=module), attr=name) if f"{module}.{name}" in _CALLS:
                return call(_CALLS[f"{module}.{name}"], self.read(_uncapped(code.args[0])))
            case _:
                raise _NotAFormula


def _uncapped(code: ast.expr) -> ast.expr:
    """Return what a clamp is put around; `exp` has it where its argument may grow."""
    is_clamp = isinstance(code, ast.Call) and ast.unparse(code.func) == "torch.clamp"
    return code.args[0] if is_clamp and isinstance(code, ast.Call) and code.args else code
