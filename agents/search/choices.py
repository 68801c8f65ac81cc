"""A design space of choices: one of a few options on every axis, as the cells of most tables are written."""

from collections.abc import Callable, Mapping
from random import Random

from pydantic import JsonValue
from typing_extensions import override

from agents.search.space import DesignSpace, Founder

Choices = tuple[str, ...]
"""A design: the option chosen on each axis, in the order of the axes."""


class ChoiceSpace(DesignSpace):
    """Every combination of options, without structure that an operator could use."""

    def __init__(
        self,
        name: str,
        options: Mapping[str, tuple[str, ...]],
        canonical: Callable[[Choices], Choices | None] | None = None,
    ) -> None:
        """Make the space of these options by axis.

        `canonical` returns the one form of designs that are the same, and None for choices that are no design.
        """
        self.name = name  # pyright: ignore[reportAttributeAccessIssue]  (one class, many spaces)
        self.summary = f"{len(options)} choices"  # pyright: ignore[reportAttributeAccessIssue]
        self.options = dict(options)
        self._canonical = canonical or (lambda design: design)

    def checked(self, choices: Choices) -> Choices | None:
        """Return the canonical form of choices; None if they are no design."""
        return self._canonical(choices)

    @override
    def founder(self, name: str) -> Founder:
        """Return a random design that the name determines."""
        design = self.random(Random(f"{self.name}/{name}"))
        return Founder(name, design, f"a random start: {self.label(design)}", self.source(design))

    @override
    def random(self, random: Random) -> Choices:
        while True:
            design = self._canonical(tuple(random.choice(options) for options in self.options.values()))
            if design is not None:
                return design

    @override
    def mutate(self, design: Choices, random: Random) -> Choices:
        """Return the design with another option on one axis, drawn evenly."""
        while True:
            axis, options = random.choice(list(enumerate(self.options.values())))
            option = random.choice([option for option in options if option != design[axis]])
            child = self._canonical((*design[:axis], option, *design[axis + 1 :]))
            if child not in (design, None):
                return child

    @override
    def crossover(self, a: Choices, b: Choices, random: Random) -> Choices:
        child = self._canonical(tuple(random.choice(pair) for pair in zip(a, b, strict=True)))
        return a if child is None else child

    @override
    def to_json(self, design: Choices) -> dict[str, JsonValue]:
        return dict(zip(self.options, design, strict=True))

    @override
    def from_json(self, value: object) -> Choices:
        if not isinstance(value, Mapping) or set(value) != set(self.options):
            raise ValueError(f"{self.name} has the axes {', '.join(self.options)}, got {value!r}")
        design = tuple(str(value[axis]) for axis in self.options)
        for axis, option in zip(self.options, design, strict=True):
            if option not in self.options[axis]:
                raise ValueError(f"{axis} of {self.name} is one of {', '.join(self.options[axis])}, got {option!r}")
        return design

    @override
    def axes(self, design: Choices) -> dict[str, str | int]:
        return dict(zip(self.options, design, strict=True))

    @override
    def behaviour(self, design: Choices) -> tuple[str, ...]:
        """Return the choices on the first two axes."""
        return design[:2]

    @override
    def source(self, design: Choices) -> str:
        return f"{self.name}: {self.label(design)}\n"
