"""What the forecasts that chose designs were worth, in one paragraph."""

from bus.vocabulary.queries import ForecastErrors
from dashboard.report.leaderboard import signed
from dashboard.report.markup import Markup, el

OPEN = " The interval holds 0, so they may have told nothing."


def paragraph(errors: ForecastErrors) -> Markup | None:
    """Return the figures in words, None if no forecast chose a design that was analysed."""
    if errors.mean_absolute is None or errors.bias is None:
        return None
    text = f"A model chose {errors.designs:,} of the analysed designs by what it expected of them. "
    if errors.correlation is None or errors.low is None or errors.high is None:
        text += "These are too few, or too equal, for a rank correlation."
    else:
        reach = f"{signed(errors.low)} to {signed(errors.high)}"
        text += f"The rank correlation of forecasts and results is {signed(errors.correlation)} ({reach})."
        text += OPEN if errors.verdict == "open" else ""
    side = "worse" if errors.bias < 0 else "better"
    text += (
        f" Results lie {errors.mean_absolute:.2f} seed noises from their forecasts, and are "
        f"{abs(errors.bias):.2f} {side} on average."
    )
    return el("p", text)
