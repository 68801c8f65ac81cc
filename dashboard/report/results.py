"""What a report is made of: memory's answers about one campaign, all as of one position."""

from collections.abc import Sequence
from dataclasses import dataclass

from bus.vocabulary.queries import CampaignStatus, Experiment, ForecastErrors, ResultsByArm, UnitEffects, Verification

NO_EFFECTS, NO_FORECASTS = UnitEffects(), ForecastErrors()


@dataclass(frozen=True, slots=True)
class CampaignResults:
    """The results of a campaign."""

    status: CampaignStatus
    experiments: Sequence[Experiment]
    """Complete ones (sources, curves, failures, findings), in the order of opening."""
    effects: UnitEffects = NO_EFFECTS
    """What units are worth."""
    forecasts: ForecastErrors = NO_FORECASTS
    """How good the forecasts were that chose designs."""
    verification: Verification | None = None
    """What became of claims; None if the campaign verifies nothing."""
    arms: ResultsByArm | None = None
    """What the control arms reached; None if the campaign has none."""
    arm_comparisons: tuple[str, ...] = ()
    """Which arm found more, a sentence for each comparison."""
