"""What an operator returns: a new design, with a description that is made when it is read.

Of many children that are bred for one slot, one is proposed, so the others are never described. A description takes no
draw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from agents.design.describe import name
from agents.design.tree import Design, Path
from agents.design.units.framing import FRAME


class Change(NamedTuple):
    """What an operator changed."""

    words: str
    """The change for people."""
    units: tuple[str, ...] = ()
    """The new units, as `decay:scalar`, the decisive one first."""


@dataclass(frozen=True)
class Variation:
    """A new design and how it was derived."""

    design: Design
    operator: str
    """`mutate:<axis>`, `crossover` or `scratch`."""
    describe: Callable[[], Change] = field(compare=False, repr=False)
    """Returns what the operator changed."""

    @cached_property
    def _described(self) -> Change:
        return self.describe()

    @property
    def change(self) -> str:
        """The change in words, for people."""
        return self._described.words

    @property
    def units(self) -> tuple[str, ...]:
        """The new units, the decisive one first."""
        return self._described.units


def drawn(design: Design) -> Change:
    """Return the description of a design from scratch."""
    return Change(f"drawn afresh: {name(design)}", _by_rarity(design))


def crossed(a: Design, b: Design, child: Design) -> Change:
    """Return what a child of two designs has that the first one lacks."""
    units = _new_units(a, child)
    return Change(f"took {', '.join(units) or 'fewer paths'} towards {name(b)}", units)


def moved(old: Design, new: Design, axis: str, key: str, path: int | None) -> Change:
    """Return the mutation of an axis to a unit, with what rules demanded; `path` is None in the frame."""
    units = _new_units(old, new)
    return Change(_move_in_words(old, new, axis, key, path, units), tuple(dict.fromkeys((f"{axis}:{key}", *units))))


def both(first: Variation, second: Variation) -> Change:
    """Return two mutations, the second one of what the first one made, as one change."""
    units = still_there((*first.units, *second.units), second.design)
    return Change(f"{first.change}; {second.change}", units)


def as_wished(variation: Variation, design: Design, parent: Design) -> Change:
    """Return the change of a variation of the parent with what a wish changed besides."""
    present, demanded = unit_labels(design), _new_units(variation.design, design)
    new = [label for label in (*demanded, *variation.units, *_new_units(parent, design)) if label in present]
    words = f"{variation.change}; as wished: {', '.join(demanded) or 'fewer paths'}"
    return Change(words, tuple(dict.fromkeys(new)))


def still_there(units: Sequence[str], design: Design) -> tuple[str, ...]:
    """Return units, each once, without those that a design no longer has."""
    present = unit_labels(design)
    return tuple(unit for unit in dict.fromkeys(units) if unit in present or unit == "path:drop")


def unit_labels(design: Design) -> tuple[str, ...]:
    """Return all units of a design as `axis:key`, and its paths as `path:kind`."""
    labels = [f"path:{path.kind}" for path in design.paths]
    for owner in (*design.paths, design):
        labels += [f"{axis}:{key}" for axis, key in owner.choices.items()]
    return tuple(dict.fromkeys(labels))


def _new_units(old: Design, new: Design) -> tuple[str, ...]:
    """Return the units of the new design that the old one has nowhere, the rarest first."""
    old_labels = set(unit_labels(old))
    return tuple(label for label in _by_rarity(new) if label not in old_labels)


def _by_rarity(design: Design) -> tuple[str, ...]:
    """Return all units that are not plain, the rarest first: they set the design apart."""
    weights: dict[str, float] = {}
    for owner in (*design.paths, design):
        for axis, key in zip(owner.axes if isinstance(owner, Path) else FRAME, owner.choices.values(), strict=True):
            if key != axis.plain:
                weights.setdefault(f"{axis.name}:{key}", axis[key].weight / axis.weight)
    return tuple(sorted(weights, key=weights.__getitem__))


def _move_in_words(old: Design, new: Design, axis: str, key: str, path: int | None, units: Sequence[str]) -> str:
    """Return a move in words, with the changes that rules demanded; `units` are those that only the new one has."""
    if axis == "path" and key == "drop":
        return f"dropped the {old.paths[path or 0].kind} path"
    if axis == "path":
        return f"added a {key} path"
    before = (old if path is None else old.paths[path]).units[axis].gist
    changed = {label.split(":")[0]: label.split(":")[1] for label in units}
    after = next(a for owner in new.paths for a in (*owner.axes, *FRAME) if a.name == axis and key in a.keys)[key].gist
    demanded = [f"{other} {new_key}" for other, new_key in changed.items() if other != axis]
    hence = f" (hence {', '.join(demanded)})" if demanded else ""
    return f"{axis}: {after} instead of {before}{hence}"
