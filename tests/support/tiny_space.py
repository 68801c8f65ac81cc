"""A design space of a few digits, for tests of what holds in every space."""

from random import Random

from pydantic import JsonValue
from typing_extensions import override

from agents.search.space import DesignSpace, Founder

AXES, CHOICES = 4, 3


class DigitSpace(DesignSpace):
    """Tuples of AXES digits below CHOICES."""

    name = "digits"
    summary = "a few digits"

    @override
    def founder(self, name: str) -> Founder | None:
        zeros = (0,) * AXES
        return Founder(name, zeros, "a first guess", str(zeros)) if name == "zeros" else None

    @override
    def random(self, random: Random) -> tuple[int, ...]:
        return tuple(random.randrange(CHOICES) for _ in range(AXES))

    @override
    def mutate(self, design: tuple[int, ...], random: Random) -> tuple[int, ...]:
        axis = random.randrange(AXES)
        other = (design[axis] + random.randrange(1, CHOICES)) % CHOICES
        return (*design[:axis], other, *design[axis + 1 :])

    @override
    def crossover(self, a: tuple[int, ...], b: tuple[int, ...], random: Random) -> tuple[int, ...]:
        return tuple(random.choice(pair) for pair in zip(a, b, strict=True))

    @override
    def to_json(self, design: tuple[int, ...]) -> dict[str, JsonValue]:
        return {f"digit{axis}": str(digit) for axis, digit in enumerate(design)}

    @override
    def from_json(self, value: object) -> tuple[int, ...]:
        if not isinstance(value, dict) or set(value) != {f"digit{axis}" for axis in range(AXES)}:
            raise ValueError(f"no digits: {value!r}")
        return tuple(int(value[f"digit{axis}"]) for axis in range(AXES))

    @override
    def axes(self, design: tuple[int, ...]) -> dict[str, str | int]:
        return {f"digit{axis}": digit for axis, digit in enumerate(design)}

    @override
    def behaviour(self, design: tuple[int, ...]) -> tuple[str, ...]:
        return str(design[0]), str(design[1])

    @override
    def source(self, design: tuple[int, ...]) -> str:
        return str(design)
