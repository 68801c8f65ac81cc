"""The space of the lab: token mixers of the design grammar (`agents.design`)."""

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, cast

from pydantic import JsonValue
from typing_extensions import override

from agents.design import (
    HUMAN_DESIGNS,
    NEUTRAL,
    Bias,
    Design,
    Variation,
    crossover,
    draw_design,
    motivation,
    mutate,
    name,
    render,
)
from agents.design.equivalence import normal_form
from agents.design.formulas.breeding import vary_open
from agents.design.tree import KINDS
from agents.design.variation import Change, still_there
from agents.search.space import NAMED_UNITS, DesignSpace, Founder, Grammar

KEY_WIDTHS = {"half": 0.5, "double": 2.0}
VALUE_WIDTHS = {"double": 2.0}
"""Widths of keys and of values, in widths of a head; one for units that are not named."""


class MixerSpace(DesignSpace):
    """Designs of the grammar, varied by its own operators under the bias of goal, papers and people."""

    name = "mixers"
    summary = "token mixers of the design grammar"

    @override
    def founder(self, name: str) -> Founder | None:
        human = HUMAN_DESIGNS.get(name)
        return Founder(human.name, human.design, human.motivation, human.source) if human else None

    @override
    def random(self, random: Random) -> Design:
        return draw_design(random)

    @override
    def mutate(self, design: Design, random: Random) -> Design:
        return mutate(design, random).design

    @override
    def crossover(self, a: Design, b: Design, random: Random) -> Design:
        return crossover(a, b, random).design

    @override
    def to_json(self, design: Design) -> dict[str, JsonValue]:
        return cast("dict[str, JsonValue]", design.to_json())

    @override
    def from_json(self, value: object) -> Design:
        return Design.from_json(value)

    @override
    def axes(self, design: Design) -> dict[str, str | int]:
        """Return the frame's units, the number of paths of each kind, and the units of each path by its place."""
        choices: dict[str, str | int] = dict(design.choices)
        for kind in KINDS:
            paths = [path for path in design.paths if path.kind == kind]
            choices[f"{kind}s"] = len(paths)
            for number, path in enumerate(paths, 1):
                choices |= {f"{kind}{number}.{axis}": unit for axis, unit in path.choices.items()}
        return choices

    @override
    def behaviour(self, design: Design) -> tuple[str, ...]:
        """Return the kinds of paths, which make most of the cost, and the size of the state of all memories.

        The size is in squares of a head's width: keys by values, summed over the memories.
        """
        keys = [KEY_WIDTHS.get(path.choices["key_width"], 1.0) for path in design.paths if path.kind == "memory"]
        state = sum(keys) * VALUE_WIDTHS.get(design.inner, 1.0)
        return "+".join(path.kind for path in design.paths), f"{state:g}"

    @override
    def source(self, design: Design) -> str:
        return render(design).source

    @override
    def label(self, design: Design) -> str:
        return name(design)

    @override
    def vary(
        self,
        parent: Design | None,
        mates: Sequence[Design],
        random: Random,
        preferences: Mapping[str, float],
        bias: Bias = NEUTRAL,
        grammar: Grammar = NAMED_UNITS,
    ) -> Variation:
        variation = vary_open(parent, mates, random, bias, preferences, grammar.formulas, grammar.coined)
        return _in_normal_form(variation) if grammar.normal_forms else variation

    @override
    def motivation(self, variation: Variation, parent: Any | None, heeded: Sequence[str]) -> str:
        return motivation(variation, name(parent) if parent else None, heeded)


def _in_normal_form(variation: Variation) -> Variation:
    """Return a variation whose design stands for all of its function."""
    design = normal_form(variation.design)
    if design == variation.design:
        return variation
    return Variation(design, variation.operator, partial(_simplified, variation, design))


def _simplified(variation: Variation, design: Design) -> Change:
    return Change(f"{variation.change}; in its simplest form", still_there(variation.units, design))


SPACE = MixerSpace()
