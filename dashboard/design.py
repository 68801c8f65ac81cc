"""A design as a tree: the units that an architecture was rendered from, nested as they nest in it."""

from collections.abc import Mapping

from pydantic import JsonValue

from dashboard.markup import Markup, clip, el, join

_DEEPEST = 12
_MOST = 40
"""Children shown of one unit, and how deep; a design from the grammar stays far below both."""


def tree(design: Mapping[str, JsonValue]) -> Markup:
    """Return a design as nested lists."""
    return el("ul", *_branches(design, _DEEPEST), class_="design")


def _branches(value: JsonValue | Mapping[str, JsonValue], depth: int) -> list[Markup]:
    """Return the list items of a unit, named by their keys or counted."""
    if isinstance(value, Mapping):
        pairs = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, list):
        pairs = [(str(place), child) for place, child in enumerate(value, 1)]
    else:
        return [el("li", _leaf(value))]
    items = [_branch(key, child, depth) for key, child in pairs[:_MOST]]
    return items + ([el("li", f"and {len(pairs) - _MOST} more")] if len(pairs) > _MOST else [])


def _branch(key: str, child: JsonValue, depth: int) -> Markup:
    """Return one item: a plain value on its line, a list of plain values too, anything else as a list below it."""
    name = el("span", clip(key, 60), class_="quiet")
    if isinstance(child, list) and all(not isinstance(v, (dict, list)) for v in child):
        return el("li", name, " ", join((_leaf(v) for v in child[:_MOST]), ", ") if child else "none")
    if not isinstance(child, (dict, list)):
        return el("li", name, " ", _leaf(child))
    return el("li", name, el("ul", *_branches(child, depth - 1)) if depth > 1 else " …")


def _leaf(value: JsonValue) -> Markup:
    """Return a plain value."""
    spelled = {None: "none", True: "yes", False: "no"}.get(value) if value is None or isinstance(value, bool) else None
    return el("span", spelled or clip(str(value), 120), class_="unit")
