"""The tree of a formula: leaves, numbers and primitives, with a text that is read back.

    parse("mul(-1,softplus(add(h0,mul(-1,s0))))").text

A leaf is what a mixer has at a step, such as the key or a projection of the token (`openings` lists them). Sums and
products take two arguments or more.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from types import MappingProxyType

PRIMITIVES: Mapping[str, int] = MappingProxyType({
    "add": 2, "mul": 2, "sigmoid": 1, "softplus": 1, "exp": 1, "relu": 1, "softmax": 1, "norm": 1, "mean": 1, "dot": 2,
})  # fmt: skip
"""Primitive to its number of arguments; `add` and `mul` take more as well.

`exp` stops growing at EXP_CAP. `softmax` and `norm` run over channels, `dot` sums a product over channels, and `mean`
is the mean of all steps so far: the only primitive that looks at another step.
"""
EXP_CAP = 8.0
"""`exp(x)` is exp(min(x, EXP_CAP)), so that it stays finite."""
MAX_SIZE = 20
"""Nodes of the largest formula."""
PRICES: Mapping[str, float] = MappingProxyType({"mean": 2.0, "c0": 2.0, "g0": 2.0, "h0": 1.5, "h1": 1.5})
"""Prices of nodes that cost more than 1: parameters, or a pass over time."""
_DIGITS = 12
_NO_LEAVES = frozenset[str]()
_TOKEN = re.compile(r"\s*(?:([a-z]+\d?)|(-?\d+(?:\.\d+)?(?:e-?\d+)?)|([(),]))")


@dataclass(frozen=True)
class Expression:
    """A node with what is below it."""

    op: str
    """A primitive, a leaf, or `number`."""
    args: tuple["Expression", ...] = ()
    value: float = 0.0
    """The value of a number."""
    text: str = field(init=False, repr=False, compare=False)
    """The tree as text without spaces; `parse` reads it."""
    size: int = field(init=False, repr=False, compare=False)
    """Number of nodes."""
    leaves: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of its leaves; numbers have none."""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Set what every tree is asked for. It is hashed once, since trees are the keys of many caches."""
        if self.op == "number":
            text, leaves = f"{self.value:.{_DIGITS}g}", _NO_LEAVES
        elif self.args:
            text = f"{self.op}({','.join([arg.text for arg in self.args])})"
            leaves = _NO_LEAVES.union(*[arg.leaves for arg in self.args])
        else:
            text, leaves = self.op, frozenset({self.op})
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "size", 1 + sum([arg.size for arg in self.args]))
        object.__setattr__(self, "leaves", leaves)
        object.__setattr__(self, "_hash", hash((self.op, self.args, self.value)))

    def __hash__(self) -> int:
        """Return the hash of the tree."""
        return self._hash

    def __reduce__(self) -> tuple[type["Expression"], tuple[str, tuple["Expression", ...], float]]:
        """Pickle without the hash: hashes of texts differ from process to process."""
        return Expression, (self.op, self.args, self.value)

    @cached_property
    def price(self) -> float:
        """Its complexity: the prices of all nodes."""
        return PRICES.get(self.op, 1.0) + sum(arg.price for arg in self.args)

    def nodes(self, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], "Expression"]]:
        """Yield every node with its path of argument numbers, from the root down."""
        yield path, self
        for index, arg in enumerate(self.args):
            yield from arg.nodes((*path, index))

    def replaced(self, path: tuple[int, ...], new: "Expression") -> "Expression":
        """Return the tree with another node at a path."""
        if not path:
            return new
        args = list(self.args)
        args[path[0]] = args[path[0]].replaced(path[1:], new)
        return call(self.op, *args)

    def substituted(self, new: Mapping[str, "Expression"]) -> "Expression":
        """Return the tree with another tree for some leaves, by their names."""
        if self.leaves.isdisjoint(new):
            return self
        return call(self.op, *(arg.substituted(new) for arg in self.args)) if self.args else new[self.op]


@lru_cache(maxsize=1024)
def number(value: float) -> Expression:
    """Return a constant, rounded to what its text holds."""
    return Expression("number", value=float(f"{value:.{_DIGITS}g}") + 0.0)


@cache
def leaf(name: str) -> Expression:
    """Return a leaf."""
    return Expression(name)


@lru_cache(maxsize=16384)
def call(op: str, *args: Expression) -> Expression:
    """Return a primitive of these arguments: of equal ones the same node, which knows its size, text and leaves."""
    return Expression(op, args)


def negative(of: Expression) -> Expression:
    """Return minus a tree."""
    return call("mul", number(-1), of)


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Return the tree of a text. Raises ValueError if it is none."""
    tokens: list[tuple[str, str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None or len(tokens) > 8 * MAX_SIZE:
            raise ValueError(f"not a formula: {text[:80]!r}")
        tokens.append((match[1] or "", match[2] or "", match[3] or ""))
        position = match.end()
    tokens.reverse()
    try:
        tree = _read(tokens)
    except IndexError:
        tokens = [("", "", "")]
        tree = number(0)
    if tokens:
        raise ValueError(f"not a formula: {text[:80]!r}")
    return tree


def _read(tokens: list[tuple[str, str, str]]) -> Expression:
    """Take one tree from the end of reversed tokens. Raises IndexError where they end too early."""
    name, constant, mark = tokens.pop()
    if constant:
        return number(float(constant))
    if not name or mark:
        raise ValueError(f"a formula has {mark!r} where a leaf, a number or a primitive belongs")
    if not tokens or tokens[-1][2] != "(":
        return leaf(name)
    args: list[Expression] = []
    while tokens.pop()[2] in ("(", ","):
        args.append(_read(tokens))
        if tokens[-1][2] == ")":
            tokens.pop()
            break
    wanted = PRIMITIVES.get(name)
    if wanted is None or len(args) < wanted or (len(args) > wanted and name not in ("add", "mul")):
        raise ValueError(f"a formula has {name} of {len(args)} arguments; primitives: {', '.join(PRIMITIVES)}")
    return call(name, *args)
