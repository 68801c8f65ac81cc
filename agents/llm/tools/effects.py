"""unit_effects: what the campaign has learned of each unit of the design grammar."""

from typing import Any, ClassVar

from pydantic import BaseModel, Field

from agents.llm.prompts.blocks import quote
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskUnitEffects, UnitEffect, UnitEffects
from bus.wire.envelope import Envelope
from bus.wire.plain_text import clean_line

MAX_UNITS = 40
"""Units in an answer: those of the largest effects, on either side of 0."""
NAME_CHARACTERS = 120
EFFECTS_CHARACTERS = 7_000


class EffectsArguments(BaseModel):
    """Which units."""

    axis: str = Field(default="", max_length=40)
    """The beginning of a unit's name, such as gate or path; empty for all axes."""


class ShowUnitEffects:
    """Shows what units are worth."""

    name: ClassVar[str] = "unit_effects"
    description: ClassVar[str] = (
        "What each unit of the campaign's designs is worth, in standard deviations of seed noise, with intervals of"
        " 95 %: which help, which hurt, which are open."
    )
    Arguments: ClassVar[type[BaseModel]] = EffectsArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Return the effects in one block, the best first."""
        known: UnitEffects = yield AskUnitEffects(campaign=envelope.campaign, at=envelope.seq)
        rows = [row for row in known.rows if row.name.startswith(arguments.axis.strip())]
        if not rows:
            return "nothing is known of such units yet"
        lines = [f"over {known.analysed} analysed experiments:", *map(_line, _largest(rows))]
        return quote("unit-effects", "\n".join(lines), EFFECTS_CHARACTERS, "lab")


def _largest(rows: list[UnitEffect]) -> list[UnitEffect]:
    """Return the rows of the largest effects in their order; decided ones come before open ones."""
    by_size = sorted(rows, key=lambda row: (row.verdict == "open", -abs(row.effect)))[:MAX_UNITS]
    return [row for row in rows if row in by_size]


def _line(row: UnitEffect) -> str:
    """Return one unit's effect, with its verdict; the text of a formula is shortened."""
    figures = f"{row.effect:+.2f} ({row.low:+.2f} to {row.high:+.2f})"
    return f"{clean_line(row.name, NAME_CHARACTERS)}: {row.verdict}, {figures}, {row.designs} designs"
