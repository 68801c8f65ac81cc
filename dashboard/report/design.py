"""A design as nested lists: the units that an architecture was rendered from."""

from collections.abc import Mapping

from pydantic import JsonValue

from dashboard.report.markup import Markup, clip, el, join

_MAX_DEPTH = 12
_MAX_CHILDREN = 40
"""Children shown of one unit; a design from the grammar stays far below both limits."""


def tree(design: Mapping[str, JsonValue]) -> Markup:
    """Return a design as nested lists."""
    return el("ul", *_branches(design, _MAX_DEPTH), class_="design")


def _branches(value: JsonValue | Mapping[str, JsonValue], depth: int) -> list[Markup]:
    """Return the list items of a unit, each with its key or its number."""
    if isinstance(value, Mapping):
        pairs = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, list):
        pairs = [(str(number), child) for number, child in enumerate(value, 1)]
    else:
        return [el("li", _leaf(value))]
    items = [_branch(key, child, depth) for key, child in pairs[:_MAX_CHILDREN]]
    return items + ([el("li", f"and {len(pairs) - _MAX_CHILDREN} more")] if len(pairs) > _MAX_CHILDREN else [])


def _branch(key: str, child: JsonValue, depth: int) -> Markup:
    """Return one item: a plain value or a list of plain values on its line, any other value as a list below."""
    name = el("span", clip(key, 60), class_="quiet")
    if isinstance(child, list) and all(not isinstance(v, (dict, list)) for v in child):
        return el("li", name, " ", join((_leaf(v) for v in child[:_MAX_CHILDREN]), ", ") if child else "none")
    if not isinstance(child, (dict, list)):
        return el("li", name, " ", _leaf(child))
    return el("li", name, el("ul", *_branches(child, depth - 1)) if depth > 1 else " …")


def _leaf(value: JsonValue) -> Markup:
    word = {None: "none", True: "yes", False: "no"}.get(value) if value is None or isinstance(value, bool) else None
    return el("span", word or clip(str(value), 120), class_="unit")
