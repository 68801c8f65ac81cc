"""What is known about a failure: source, reason code, message, the end of the output; what rules read there."""

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
        """The syntax tree, or None where the source is no Python."""
        return parsed(self.source)

    @cached_property
    def text(self) -> str:
        """Everything that was said, for rules to search."""
        return f"{self.reason}\n{self.message}\n{self.tail}"

    @cached_property
    def line(self) -> int | None:
        """The innermost line of the source in the traceback, counted from 1."""
        count = self.source.count("\n") + 1
        found = [m for m in _FRAME.finditer(self.text) if not any(part in m["file"] for part in _FOREIGN)]
        numbers = [int(m["line"]) for m in found if len(m["line"]) < 7]
        inside = [number for number in numbers if 1 <= number <= count]
        return inside[-1] if inside else None

    def says(self, *patterns: str) -> bool:
        """Whether any of the patterns occurs in what was said, whatever its case."""
        return any(re.search(pattern, self.text, re.IGNORECASE) for pattern in patterns)

    def found(self, pattern: str) -> re.Match[str] | None:
        """Return the last place in what was said that matches."""
        return next(iter(reversed(list(re.finditer(pattern, self.text)))), None)

    def nodes(self, kind: type[_Node]) -> Iterator[_Node]:
        """Return the tree's nodes of a kind, in the order of the text; none where there is no tree."""
        walked = ast.walk(self.tree) if self.tree else iter(())
        found = [node for node in walked if isinstance(node, kind)]
        yield from sorted(found, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))

    def method(self, name: str) -> ast.FunctionDef | None:
        """Return a method of the last class that has one of that name: helpers stand before the mixer."""
        return next((node for node in reversed(list(self.nodes(ast.FunctionDef))) if node.name == name), None)


def parsed(source: str) -> ast.Module | None:
    """Return the tree of a source, or None; never raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
