"""From a source back to its design: the inverse of `agents.design.render`.

    design_of(source)

A source that a person or a model wrote has a design if today's grammar renders one to the same code; comments,
docstrings, annotations, the class's name and the order of imports make no difference. So structure can be compared even
where nobody says what the design is. The design is found by descent: path after path, then the frame, the unit that
brings the rendered lines nearest to the source's. A wrong step can only lead to no design, never to a wrong one, since
what is found has to render to the source.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import cast

from typing_extensions import override

from agents.design.formulas.code_reading import keys_in
from agents.design.render import body_lines, render
from agents.design.render_paths import path_forward, path_init
from agents.design.templates import Line
from agents.design.tree import ConvolutionPath, Design, MemoryPath, Path, WindowPath
from agents.design.units.framing import FRAME
from agents.design.units.unit import Axis

_KINDS: Mapping[str, type[Path]] = {
    "": MemoryPath, "memory": MemoryPath, "first": MemoryPath, "second": MemoryPath,
    "window": WindowPath, "filter": ConvolutionPath,
}  # fmt: skip
"""Name of a path's method → its kind; a single path has no method."""
_TIED = (("convolution", "conv_width", "conv_activation"), ("key_width", "position"))
"""Axes whose units fill one another's lines, so they are chosen together."""
_MAX_SWEEPS = 4
_MAX_STATEMENTS = 250
"""Statements of the methods of a source that is read; the largest designs have about 100."""
Text = Counter[str]
Distance = Callable[[Mapping[str, str]], int]
"""How far the lines of some choices are from the source's."""


def design_of(source: str) -> Design | None:
    """Return the design that renders to a source; None if none does."""
    try:
        return _design_of(source)
    except (SyntaxError, ValueError, RecursionError):  # no Python, no such paths, or code of absurd depth
        return None


def _design_of(source: str) -> Design | None:
    methods = _methods(ast.parse(source))
    names = [name for name in methods if name not in {"__init__", "forward"}] or [""]
    if not {"__init__", "forward"} <= set(methods) or not set(names) <= set(_KINDS):
        return None
    if sum(map(len, methods.values())) > _MAX_STATEMENTS:
        return None
    paths = tuple(_path_of(name, methods) for name in names)
    design = _framed(Design(paths), methods)
    return design if _canonical(render(design).source) == _canonical(source) else None


def _methods(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """Return the statements of each method of the only class, docstrings left out."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    functions = [node for node in classes[0].body if isinstance(node, ast.FunctionDef)] if len(classes) == 1 else []
    return {function.name: _without_docstring(function.body) for function in functions}


def _path_of(name: str, methods: Mapping[str, list[ast.stmt]]) -> Path:
    """Return the path that comes nearest to a method's code, or to that of `forward` for a single path."""
    kind, forward = _KINDS[name], methods[name or "forward"]
    own = [line for line in _texts(methods["__init__"]) if name in line]
    wanted = Counter([*own, *_texts(forward)])

    def distance(choices: Mapping[str, str]) -> int:
        path = kind(**choices)
        return _distance(_text((*path_init(path, name), *path_forward(path, name))), wanted)

    plain = {axis.name: axis.plain for axis in kind.axes}
    return kind(**_descend(plain, kind.axes, forward, distance))


def _framed(design: Design, methods: Mapping[str, list[ast.stmt]]) -> Design:
    """Return the design with the frame that comes nearest to all of the code."""
    wanted = Counter(line for statements in methods.values() for line in _texts(statements))

    def distance(choices: Mapping[str, str]) -> int:
        return _distance(_text(body_lines(Design(design.paths, **choices))), wanted)

    found = _descend(dict(design.choices), FRAME, methods["forward"], distance)
    return Design(design.paths, **found)


def _descend(
    choices: dict[str, str], axes: Sequence[Axis], statements: Sequence[ast.stmt], distance: Distance
) -> dict[str, str]:
    """Return the choices from which no change of one axis, or of tied ones, comes nearer."""
    keys = {axis.name: axis.keys + (keys_in(axis.name, statements) if axis.formula else ()) for axis in axes}
    tied = [group for group in _TIED if set(group) <= set(keys)]
    groups = [*tied, *((name,) for name in keys)]
    best = distance(choices)
    for _ in range(_MAX_SWEEPS):
        before = best
        for group in groups:
            for units in product(*(keys[name] for name in group)):
                trial = choices | dict(zip(group, units, strict=True))
                try:
                    found = distance(trial)
                except ValueError:  # a rule of the grammar excludes it
                    continue
                if found < best:
                    choices, best = trial, found
        if best == before:
            break
    return choices


def _distance(have: Text, wanted: Text) -> int:
    """Return how many lines are in one of two texts alone."""
    return (have - wanted).total() + (wanted - have).total()


def _text(lines: Iterable[Line]) -> Text:
    return Counter(_plain(line.text) for line in lines if line.text)


@lru_cache(maxsize=8192)
def _plain(line: str) -> str:
    """Return a rendered line as `ast.unparse` writes it, without its comment; empty for the head of a method."""
    try:
        return ast.unparse(ast.parse(line))
    except SyntaxError:
        return ""


def _texts(statements: Iterable[ast.stmt]) -> list[str]:
    return [ast.unparse(statement) for statement in statements]


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    head = body[0] if body else None
    is_text = isinstance(head, ast.Expr) and isinstance(head.value, ast.Constant) and isinstance(head.value.value, str)
    return body[1:] if is_text else body


def _canonical(source: str) -> tuple[frozenset[tuple[str, str, str]], str]:
    """Return what two sources of one code share: what they import under which names, and their class."""
    tree = cast("ast.Module", _Bare().visit(ast.parse(source)))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imports = {
        (getattr(node, "module", "") or "", alias.name, alias.asname or alias.name)
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    rest = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return frozenset(one for one in imports if one[2].split(".")[0] in used), "\n".join(map(ast.dump, rest))


class _Bare(ast.NodeTransformer):
    """Takes docstrings, annotations and the class's name out of a tree."""

    @override
    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = _without_docstring(node.body)
        return self.generic_visit(node)

    @override
    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name, node.body = "Mixer", _without_docstring(node.body)
        return self.generic_visit(node)

    @override
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns, node.body = None, _without_docstring(node.body)
        return self.generic_visit(node)

    @override
    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node
