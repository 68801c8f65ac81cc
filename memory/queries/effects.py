"""AskUnitEffects: what each unit is worth, from the model that ranks the campaign's designs.

For the ranking, the model takes bad measurements for middling ones (`memory.scoring.scoreboard.FLOOR`). Effects are
about all designs, so here every measurement counts in full. In simulated campaigns their intervals of 95 % then hold 97
to 99 % of the true effects, and with the ranking's floor only 42 to 53 %.
"""

from bus.vocabulary.queries import AskUnitEffects, UnitEffect, UnitEffects
from memory.queries.handler import QueryHandler
from memory.scoring.contrasts import Contrast, contrasts
from memory.scoring.scoreboard import FEWEST

NORMAL_QUANTILE = 1.96
"""Standard deviations on either side of the mean in an interval of 95 %."""
DECIMALS = 4
"""Decimals of an effect: sums of another processor may differ beyond."""


class UnitEffectsHandler(QueryHandler[AskUnitEffects]):
    """Answers from a fit of the unit model."""

    query_type = AskUnitEffects

    def answer(self) -> UnitEffects:
        """Return the effects, the best first; of equal ones, in the order of their names."""
        started, board = self.campaign.started_as_of(self.position), self.campaign.scoreboard
        analysed = board.count(self.position)
        if started is None or started.objective is None or analysed < FEWEST:
            return UnitEffects()
        model = board.model(analysed, started.objective.noise, floor=0.0)
        units, items = board.units(analysed), list(board.columns)
        designs, found = (units > 0).sum(axis=0).tolist(), contrasts(model, items, units.sum(axis=0))
        rows = [
            _effect(item, board.formulas.get(item), count, contrast)
            for item, count, contrast in zip(items, designs, found, strict=True)
            if count
        ]
        return UnitEffects(rows=tuple(sorted(rows, key=lambda row: (-row.effect, row.unit))), analysed=analysed)


def _effect(unit: str, formula: str | None, designs: int, of: Contrast) -> UnitEffect:
    reach = NORMAL_QUANTILE * of.deviation
    low, high = round(of.mean - reach, DECIMALS), round(of.mean + reach, DECIMALS)
    mean = round(of.mean, DECIMALS)
    return UnitEffect(unit=unit, formula=formula, designs=designs, effect=mean, low=low, high=high)
