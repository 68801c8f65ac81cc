"""AskForecastErrors: what the designs reached that a forecast had chosen."""

from collections.abc import Iterator
from statistics import fmean

from bus.vocabulary.queries import AskForecastErrors, ForecastErrors
from memory.forecasts.errors import rank_correlation
from memory.forecasts.objective import objective_of
from memory.queries.handler import QueryHandler
from memory.state.as_of import as_of, rows_as_of

DECIMALS = 4
"""Decimals of a figure: sums of another processor may differ beyond."""


class ForecastErrorsHandler(QueryHandler[AskForecastErrors]):
    """Answers from the recorded forecasts and the objectives of the analyses."""

    query_type = AskForecastErrors

    def answer(self) -> ForecastErrors:
        """Return the errors over the analysed designs; those that failed have no result."""
        pairs = list(self._pairs())
        if not pairs:
            return ForecastErrors()
        expected, measured = zip(*pairs, strict=True)
        errors = [result - forecast for forecast, result in pairs]
        ranks = rank_correlation(expected, measured)
        value, low, high = (round(each, DECIMALS) for each in ranks) if ranks else (None, None, None)
        return ForecastErrors(
            designs=len(pairs),
            correlation=value,
            low=low,
            high=high,
            mean_absolute=round(fmean(map(abs, errors)), DECIMALS),
            bias=round(fmean(errors), DECIMALS),
        )

    def _pairs(self) -> Iterator[tuple[float, float]]:
        """Yield the forecast and the result of each design, in the order of the proposals."""
        for row in rows_as_of(self.campaign.forecasts, self.position):
            analysis = as_of(self.campaign.experiments[row.experiment].analysis, self.position)
            if analysis is not None:
                yield row.mean, objective_of(self.campaign, analysis)
