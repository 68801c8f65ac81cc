"""The shape of a loss curve, as one word: whether it spiked, stopped falling early, or was still falling at the end."""

from collections.abc import Sequence
from statistics import fmean
from typing import Literal

from bus.vocabulary.events import CurvePoint

Shape = Literal["spiked", "plateaued", "falling", "settled", "unknown"]

FEWEST_POINTS = 8
"""Points of a curve below which its shape is unknown."""
SPIKE_NATS = 0.3
"""Rise above the lowest loss so far that is a spike, in nats per target, after the first tenth of the run."""
PLATEAU_SHARE = 0.03
"""A curve has plateaued if the second half of the run brought less than this share of the fall."""
FALLING_SHARE = 0.1
"""A curve is still falling if the last quarter of the run brought more than this share of the fall."""


def shape(curve: Sequence[CurvePoint], task: str) -> Shape:
    """Return the shape of a task's curve.

    A curve of a task with levels of difficulty rises when the level changes, so only text has a shape worth naming.
    """
    losses = [point.loss for point in curve if point.task == task]
    if len(losses) < FEWEST_POINTS:
        return "unknown"
    tenth = max(1, len(losses) // 10)
    if any(losses[i] > min(losses[:i]) + SPIKE_NATS for i in range(tenth, len(losses))):
        return "spiked"
    start, half, late, end = (
        fmean(losses[place : place + tenth])
        for place in (0, len(losses) // 2, len(losses) * 3 // 4, len(losses) - tenth)
    )
    fall = start - end
    if fall <= 0 or half - end < PLATEAU_SHARE * fall:
        return "plateaued"
    return "falling" if late - end > FALLING_SHARE * fall else "settled"
