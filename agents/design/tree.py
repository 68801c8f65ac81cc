"""A design: a frozen tree of units, valid and in canonical form by construction, with a JSON form.

    Design(paths=(MemoryPath(decay="scalar", update="delta", norm="l2", convolution="qkv"),), gate="silu")

One to three paths read the input in parallel: one or two linear-recurrent memories, at most one sliding window and at
most one long convolution. A frame joins them. Every field names one unit of an axis in `agents/design/units/`; a
ValueError says which choice is impossible and why. Two designs are equal exactly if they render to the same source:
paths are sorted, and choices without effect are refused.
On some axes a formula may stand in place of a unit (`agents/design/formulas/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import ClassVar, Literal

from agents.design.units.attending import CONVOLUTIONAL, WINDOW
from agents.design.units.framing import FRAME, FRAME_RULES
from agents.design.units.reading import READING, READING_RULES
from agents.design.units.unit import Axis, Rule, Unit, check_choices
from agents.design.units.writing import WRITING, WRITING_RULES

MAX_PATHS = 3
MAX_MEMORIES = 2


@dataclass(frozen=True, order=True)
class Path:
    """One way through a design, from [B, T, D] to [B, T, H, V]; each kind is a subclass."""

    kind: ClassVar[Literal["memory", "window", "convolution"]]
    axes: ClassVar[tuple[Axis, ...]]
    rules: ClassVar[tuple[Rule, ...]] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown unit or a broken rule."""
        _check_path(type(self), tuple(self.choices.values()))

    @cached_property
    def choices(self) -> MappingProxyType[str, str]:
        """Axis to key of the chosen unit."""
        return MappingProxyType({axis.name: getattr(self, axis.name) for axis in self.axes})

    @cached_property
    def spoken(self) -> MappingProxyType[str, str]:
        """The choices worth naming: all but the plain unit of an axis that has no other named one."""
        silent = {axis.name for axis in self.axes if not axis.is_closed and self.choices[axis.name] == axis.plain}
        return MappingProxyType({axis: key for axis, key in self.choices.items() if axis not in silent})

    @cached_property
    def units(self) -> MappingProxyType[str, Unit]:
        """Axis to chosen unit."""
        return MappingProxyType(
            {axis.name: axis[key] for axis, key in zip(self.axes, self.choices.values(), strict=True)}
        )


@lru_cache(maxsize=8192)
def _check_path(kind: type[Path], keys: tuple[str, ...]) -> None:
    """Check the units of a path, given in the order of its axes; those of good paths only once."""
    check_choices(dict(zip((axis.name for axis in kind.axes), keys, strict=True)), kind.axes, kind.rules)


@dataclass(frozen=True, order=True)
class MemoryPath(Path):
    """A linear recurrence over a matrix state per head."""

    kind = "memory"
    axes = READING + WRITING
    rules = READING_RULES + WRITING_RULES

    key_width: str = "equal"
    sharing: str = "separate"
    convolution: str = "none"
    conv_width: str = "4"
    conv_activation: str = "silu"
    feature: str = "identity"
    norm: str = "none"
    position: str = "none"
    decay: str = "none"
    update: str = "additive"
    read: str = "plain"
    present: str = "none"
    value: str = "none"


@dataclass(frozen=True, order=True)
class WindowPath(Path):
    """Exact attention to the last few steps."""

    kind = "window"
    axes = WINDOW

    span: str = "32"
    keys: str = "separate"
    norm: str = "none"
    position: str = "rotary"


@dataclass(frozen=True, order=True)
class ConvolutionPath(Path):
    """A depthwise causal convolution of fixed reach."""

    kind = "convolution"
    axes = CONVOLUTIONAL

    taps: str = "8"
    activation: str = "silu"
    multiply: str = "none"


KINDS: Mapping[str, type[Path]] = MappingProxyType({cls.kind: cls for cls in (MemoryPath, WindowPath, ConvolutionPath)})
"""Every kind of path by its name, in canonical order."""


@dataclass(frozen=True)
class Design:
    """A whole token mixer."""

    paths: tuple[Path, ...] = (MemoryPath(),)
    entry: str = "none"
    inner: str = "equal"
    fusion: str = "sum"
    output_norm: str = "rms"
    gate: str = "none"
    skip: str = "none"

    def __post_init__(self) -> None:
        """Sort the paths. Raise ValueError for an impossible combination."""
        object.__setattr__(self, "paths", tuple(sorted(self.paths, key=_rank)))
        check_kinds([path.kind for path in self.paths])
        if len(set(self.paths)) < len(self.paths):
            raise ValueError("two paths of a design must differ")
        _check_frame(len(self.paths), tuple(self.choices.values()))

    @cached_property
    def choices(self) -> MappingProxyType[str, str]:
        """Axis of the frame to key of the chosen unit."""
        return MappingProxyType({axis.name: getattr(self, axis.name) for axis in FRAME})

    @cached_property
    def units(self) -> MappingProxyType[str, Unit]:
        """Axis of the frame to chosen unit."""
        return MappingProxyType({axis.name: axis[key] for axis, key in zip(FRAME, self.choices.values(), strict=True)})

    def to_json(self) -> dict[str, object]:
        """Return the tree as JSON values, with every field but those that only a formula would change."""
        return {"paths": [{"kind": path.kind, **path.spoken} for path in self.paths], **self.choices}

    @classmethod
    def from_json(cls, value: object) -> "Design":
        """Return the design of a `to_json` value; an absent field has its plain unit.

        Raises ValueError if the value is no valid design.
        """
        entries = _checked_entries(value, "a design", {"paths"} | {axis.name for axis in FRAME})
        paths = entries.pop("paths", None)
        if not isinstance(paths, list | tuple):
            raise ValueError("a design needs a list 'paths'")  # noqa: TRY004 (JSON of the wrong form is a wrong value)
        return _cached_design(tuple(_path_from_json(path) for path in paths), tuple(entries.items()))


@lru_cache(maxsize=8192)
def _check_frame(paths: int, keys: tuple[str, ...]) -> None:
    """Check the units of a frame around so many paths; those of good frames only once."""
    choices = dict(zip((axis.name for axis in FRAME), keys, strict=True))
    check_choices(choices | {"paths": str(paths)}, FRAME, FRAME_RULES)


def check_kinds(kinds: list[str]) -> None:
    """Raise ValueError for a combination of kinds of paths that the grammar does not have."""
    if not 1 <= len(kinds) <= MAX_PATHS:
        raise ValueError(f"a design has one to {MAX_PATHS} paths, got {len(kinds)}")
    if not 1 <= kinds.count("memory") <= MAX_MEMORIES:
        raise ValueError(f"a design has one or {MAX_MEMORIES} memory paths, got {kinds.count('memory')}")
    for kind in ("window", "convolution"):
        if kinds.count(kind) > 1:
            raise ValueError(f"a design has at most one {kind} path, got {kinds.count(kind)}")


def _rank(path: Path) -> tuple[int, tuple[str, ...]]:
    """Return the sort key of the canonical order: by kind, then by units."""
    return list(KINDS).index(path.kind), tuple(path.choices.values())


def _path_from_json(value: object) -> Path:
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"a path needs a 'kind' of {', '.join(KINDS)}, got {kind!r}")
    cls = KINDS[kind]
    entries = _checked_entries(value, f"a {kind} path", {"kind"} | {field.name for field in fields(cls)})
    del entries["kind"]
    return _cached_path(cls, tuple(entries.items()))


@lru_cache(maxsize=1024)
def _cached_path(kind: type[Path], entries: tuple[tuple[str, object], ...]) -> Path:
    """Return a path; a campaign reads the same paths many times, so each is checked once."""
    return kind(**dict(entries))  # pyright: ignore[reportArgumentType]


@lru_cache(maxsize=1024)
def _cached_design(paths: tuple[Path, ...], entries: tuple[tuple[str, object], ...]) -> Design:
    """Return a design, also checked once."""
    return Design(paths, **dict(entries))  # pyright: ignore[reportArgumentType]


def _checked_entries(value: object, owner: str, known: set[str]) -> dict[str, object]:
    """Return the entries of a mapping with known names, whose values are strings except for `paths`."""
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise ValueError(f"{owner} must be a JSON object, got {kind}")  # noqa: TRY004 (JSON of the wrong form is a wrong value)
    for name, entry in value.items():
        if name not in known:
            raise ValueError(f"{owner} has no {name!r}, only {', '.join(sorted(known))}")
        if name != "paths" and not isinstance(entry, str):
            raise ValueError(f"{name!r} of {owner} must be a string, got {entry!r}")
    return dict(value)
