"""AskForecast: what designs are likely to reach, judging by the analysed ones."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from bus.vocabulary.queries import AskForecast, DesignForecast, Forecasts
from memory.forecasts.features import tokens
from memory.forecasts.parzen import Parzen
from memory.queries.handler import Knowledge, QueryHandler

DECIMALS = 6
"""Decimals of a forecast: sums of another processor may differ beyond."""


class ForecastHandler(QueryHandler[AskForecast]):
    """Answers from the model in force at the position."""

    query_type = AskForecast

    def __init__(self, knowledge: Knowledge, query: AskForecast) -> None:
        """Find the model, or have it fitted."""
        super().__init__(knowledge, query)
        self._model, self._count = knowledge.forecasts.model(self.campaign, query.kind, self.position)

    def fitting(self) -> Future[Any] | None:
        """Return the model's fit."""
        return self._model

    def answer(self) -> Forecasts:
        """Return a forecast for each design: only whether it is known if there are too few analyses."""
        index = self.knowledge.forecasts
        known = [index.is_known(self.campaign, design, self.position) for design in self.query.designs]
        if self._model is None or not self.query.designs:
            return Forecasts(rows=tuple(DesignForecast(known=each) for each in known))
        designs = [tokens(design) for design in self.query.designs]
        model, pending = self._model.result(), index.pending(self.campaign, self.position)
        if isinstance(model, Parzen):
            ratios = _rounded(model.ratios(designs, pending))
            rows = tuple(DesignForecast(ratio=ratio, known=each) for ratio, each in zip(ratios, known, strict=True))
            return Forecasts(rows=rows, trained_on=self._count)
        means, deviations = map(_rounded, model.forecast(designs, pending))
        rows = tuple(
            DesignForecast(mean=mean, deviation=deviation, known=each)
            for mean, deviation, each in zip(means, deviations, known, strict=True)
        )
        best, spread = _rounded([model.best, model.spread])
        return Forecasts(rows=rows, best=best, spread=spread, trained_on=self._count)


def _rounded(values: Any) -> Sequence[float]:
    return [round(float(value), DECIMALS) for value in values]
