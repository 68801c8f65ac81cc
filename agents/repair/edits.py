"""Small edits of a source at its syntax nodes, which leave every other byte as it is."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fix:
    """A repair that a rule proposes."""

    source: str
    """The whole repaired file."""
    change: str
    """The change and its reason, in a sentence without its full stop."""


def node_text(source: str, node: ast.AST) -> str:
    """Return the source text of a node."""
    return ast.get_source_segment(source, node) or ast.unparse(node)


def replace_nodes(source: str, edits: Iterable[tuple[ast.AST, str]]) -> str:
    """Return the source with each node's text replaced; of nested nodes, only the outermost is replaced."""
    starts, data = _line_starts(source), source.encode()
    spans = sorted((*_span(starts, node), text) for node, text in edits)
    outer: list[tuple[int, int, str]] = []
    for span in spans:
        if not outer or span[0] >= outer[-1][1]:
            outer.append(span)
    for start, end, text in reversed(outer):
        data = data[:start] + text.encode() + data[end:]
    return data.decode()


def edit_nodes(source: str, edits: Iterable[tuple[ast.AST, str]], change: str) -> Fix | None:
    """Return the repair that replaces each node's text, or None if there is nothing to replace."""
    edits = list(edits)
    return Fix(replace_nodes(source, edits), change) if edits else None


def insert_line(source: str, line: int, text: str) -> str:
    """Return the source with a line of text inserted before a line, counted from 1."""
    lines = source.splitlines(keepends=True)
    return "".join([*lines[: line - 1], text + "\n", *lines[line - 1 :]])


def indent_of(source: str, line: int) -> str:
    """Return the blank space that a line begins with."""
    text = source.splitlines()[line - 1]
    return text[: len(text) - len(text.lstrip())]


def call_name(node: ast.AST) -> str:
    """Return the last name of a call's function: `view` for x.view(...), `Linear` for nn.Linear(...); else empty."""
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def receiver(node: ast.Call) -> ast.expr | None:
    """Return the expression that a method is called on, or None if the call is no method call."""
    return node.func.value if isinstance(node.func, ast.Attribute) else None


def keyword(node: ast.Call, name: str) -> ast.expr | None:
    """Return a keyword argument's value, or None if the call does not give it."""
    return next((k.value for k in node.keywords if k.arg == name), None)


def _line_starts(source: str) -> list[int]:
    """Return the byte offset of every line; syntax nodes count columns in UTF-8 bytes."""
    starts = [0]
    for line in source.encode().split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _span(starts: list[int], node: ast.AST) -> tuple[int, int]:
    """Return the first byte offset of a node and the one after its last."""
    first = starts[node.lineno - 1] + node.col_offset  # pyright: ignore[reportAttributeAccessIssue]
    return first, starts[node.end_lineno - 1] + node.end_col_offset  # pyright: ignore[reportAttributeAccessIssue]
