"""Forecast errors: what the model expected of the designs that it chose, against what they reached."""

from typing import ClassVar

from bus.vocabulary.events import Record
from bus.vocabulary.queries.query import Query


class ForecastErrors(Record):
    """The errors of the forecasts behind a campaign's proposals, in standard deviations of seed noise.

    A chosen design is the one that looks best among its siblings, so its forecast is too high on average.
    """

    designs: int = 0
    """Number of analysed designs that a forecast had chosen."""
    correlation: float | None = None
    """Spearman's rank correlation of forecasts and results; None for fewer than six designs, or without an order."""
    low: float | None = None
    """Lower end of its interval of 95 %."""
    high: float | None = None
    """Upper end of that interval."""
    mean_absolute: float | None = None
    """Mean absolute difference; None without a design."""
    bias: float | None = None
    """Mean of result less forecast: below 0, the designs are worse than was expected."""

    @property
    def verdict(self) -> str:
        """`tells` if the whole interval of the correlation is above 0, otherwise `open`."""
        return "tells" if self.low is not None and self.low > 0 else "open"


class AskForecastErrors(Query):
    """How good were the forecasts that chose designs?"""

    name: ClassVar[str] = "forecast_errors"
    Reply: ClassVar[type[Record]] = ForecastErrors
