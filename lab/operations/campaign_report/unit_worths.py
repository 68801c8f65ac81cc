"""What units are worth in the confirmed designs that were ablated: one table for all of them."""

from collections import defaultdict
from collections.abc import Sequence

from agents.design.units.unit import is_formula
from lab.operations.ablation_runs import AblatedDesign, AblationRun, UnitWorth, worths
from lab.operations.campaign_report.writing import number
from lab.operations.markdown_text import table

FINDINGS = ("helps", "can't be told", "hurts")


def unit_table(ablated: Sequence[tuple[AblatedDesign, Sequence[AblationRun]]]) -> str:
    """Return the worth of each unit over designs, those first that help in most; empty without an ablation."""
    found: defaultdict[str, list[UnitWorth]] = defaultdict(list)
    for plan, runs in ablated:
        for one in worths(plan, runs):
            found[_kind(one.unit)].append(one)
    if not found:
        return ""
    counts = {unit: [sum(one.finding == finding for one in own) for finding in FINDINGS] for unit, own in found.items()}
    order = sorted(found, key=lambda unit: ([-count for count in counts[unit]], unit))
    rows = [(unit, len(found[unit]), *counts[unit], *_least_and_most(found[unit])) for unit in order]
    scales = " and ".join(sorted({plan.scale for plan, _ in ablated}))
    text = (
        "## What their units are worth\n\n"
        f"Each unit gave way to the plain one of its axis, at {scales}; the loss that this costs is the unit's gain, "
        "in nats per byte. The pages have the intervals. A unit that helps may be the baseline's too: a gain over the "
        "baseline is another question. `1/` and `2/` name the path of a design that has two. A design on two pages "
        "counts once."
    )
    return f"{text}\n\n{table(('unit', 'designs', *FINDINGS, 'least gain', 'largest gain'), rows)}"


def _kind(unit: str) -> str:
    """Return a unit's name; formulas of one axis have one."""
    axis, _, key = unit.partition(":")
    return f"a formula for `{axis}`" if is_formula(key) else f"`{unit}`"


def _least_and_most(own: Sequence[UnitWorth]) -> tuple[str, str]:
    gains = [one.gain for one in own if one.gain is not None]
    return number(min(gains, default=None), "+.4f"), number(max(gains, default=None), "+.4f")
