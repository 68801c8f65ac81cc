"""Forecasts: what designs that nobody has trained yet are likely to reach, judging by those that were."""

from typing import ClassVar, Literal

from pydantic import JsonValue

from bus.vocabulary.events import Record
from bus.vocabulary.queries.query import Query

ForecastKind = Literal["surrogate", "tpe"]
"""`surrogate` predicts the objective; `tpe` compares the densities of good and of other designs."""


class DesignForecast(Record):
    """What memory expects of one design."""

    mean: float | None = None
    """Expected objective, larger is better; None from `tpe`, and while too few experiments are analysed."""
    deviation: float | None = None
    """Standard deviation of that expectation, as if the experiments under way had come out as expected."""
    ratio: float | None = None
    """log l(x) − log g(x): how much denser good designs lie here than others; None from `surrogate`."""
    known: bool = False
    """Whether an earlier idea has this very design."""


class Forecasts(Record):
    """Forecasts in the order of the designs."""

    rows: tuple[DesignForecast, ...]
    """One for each design."""
    best: float | None = None
    """The highest expected objective among analysed experiments: what an improvement improves on."""
    spread: float | None = None
    """Standard deviation of the analysed experiments' objectives, those of very bad designs raised to the floor."""
    trained_on: int = 0
    """Number of analysed experiments that the forecasts are drawn from; 0 while there are too few."""


class AskForecast(Query):
    """What are these designs likely to reach?"""

    name: ClassVar[str] = "forecast"
    Reply: ClassVar[type[Record]] = Forecasts

    designs: tuple[dict[str, JsonValue], ...]
    """Designs as JSON, of any grammar."""
    kind: ForecastKind = "surrogate"
    """How to judge them."""
