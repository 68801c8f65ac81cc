"""A failed attempt as rules read it: its source, its syntax tree, and the text of its error."""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

_Node = TypeVar("_Node", bound=ast.AST)

_FRAME = re.compile(r'File "(?P<file>[^"]*)", line (?P<line>\d+)')
_FOREIGN = ("site-packages", "/torch/", "/kernels/", "/trainer/", "/lib/python", "<frozen")


@dataclass(frozen=True)
class Symptom:
    """One failed attempt."""

    source: str
    """The whole file that failed."""
    reason: str
    """Reason code of the static check, a gate or the trainer."""
    message: str
    """One line."""
    tail: str = ""
    """The end of the output, the traceback included."""

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree, or None if the source is no valid Python."""
        return parse_or_none(self.source)

    @cached_property
    def text(self) -> str:
        """Reason code, message and output in one text, for rules to search."""
        return f"{self.reason}\n{self.message}\n{self.tail}"

    @cached_property
    def line(self) -> int | None:
        """The innermost line of the source in the traceback, counted from 1."""
        count = self.source.count("\n") + 1
        frames = [m for m in _FRAME.finditer(self.text) if not any(part in m["file"] for part in _FOREIGN)]
        numbers = [int(m["line"]) for m in frames if len(m["line"]) < 7]
        inside = [number for number in numbers if 1 <= number <= count]
        return inside[-1] if inside else None

    def mentions(self, *patterns: str) -> bool:
        """Return whether any of the patterns occurs in the text; case does not matter."""
        return any(re.search(pattern, self.text, re.IGNORECASE) for pattern in patterns)

    def last_match(self, pattern: str) -> re.Match[str] | None:
        """Return the last match of a pattern in the text, or None."""
        return next(iter(reversed(list(re.finditer(pattern, self.text)))), None)

    def nodes(self, kind: type[_Node]) -> Iterator[_Node]:
        """Yield the tree's nodes of a kind, in the order of the source; none without a tree."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, kind)] if self.tree else []
        yield from sorted(nodes, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))

    def method(self, name: str) -> ast.FunctionDef | None:
        """Return a method of the last class that has one of that name, or None: helpers precede the mixer."""
        return next((node for node in reversed(list(self.nodes(ast.FunctionDef))) if node.name == name), None)


def parse_or_none(source: str) -> ast.Module | None:
    """Return the tree of a source, or None if it can't be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
