"""Leaning: what the campaign has learned of units becomes a bias on what the operators choose.

Only effects that are decided count: those whose interval of 95 % lies on one side of 0. An axis that a memory and a
window share has one bias, so a unit that helps in one and hurts in the other has none.
"""

from agents.design import Bias
from agents.design.bias import UNIT_NAMES
from bus.vocabulary.queries import UnitEffects


def leaning(effects: UnitEffects, factor: float) -> Bias:
    """Return a bias of `factor` on the units that help, and of one over it on those that hurt."""
    verdicts: dict[str, set[str]] = {}
    for row in effects.decided():
        verdicts.setdefault(row.name, set()).add(row.verdict)
    factors = {"helps": factor, "hurts": 1 / factor}
    decided = {name: verdict for name, (verdict, *others) in verdicts.items() if not others and name in UNIT_NAMES}
    return Bias({name: factors[verdict] for name, verdict in decided.items()})
