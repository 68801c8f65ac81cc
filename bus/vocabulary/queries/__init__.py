"""Queries to memory on `lab.query.<name>`, and their replies.

`at` is a position in the log. The reply describes the log up to it, whatever memory has read since, so that a decision
depends on the log and not on timing. `at=0` stands for the newest position. A reply holds only what the query asks for.
"""

from bus.vocabulary.queries.arms import ArmResults, AskArms, ResultsByArm
from bus.vocabulary.queries.campaign import AskCampaigns, AskCampaignStatus, Campaigns, CampaignStatus
from bus.vocabulary.queries.comparison import AskPeers, AskSetup, ExperimentSetup, Peers
from bus.vocabulary.queries.effects import AskUnitEffects, UnitEffect, UnitEffects
from bus.vocabulary.queries.experiment import (
    AskAnalysed,
    AskExperiments,
    Experiment,
    Experiments,
    FailedAttempt,
    ForeignRecord,
    Status,
)
from bus.vocabulary.queries.forecast import AskForecast, DesignForecast, ForecastKind, Forecasts
from bus.vocabulary.queries.forecast_errors import AskForecastErrors, ForecastErrors
from bus.vocabulary.queries.formulas import AskFormulas, FormulaRecord, FormulaRecords, Graft
from bus.vocabulary.queries.idea import (
    Ancestry,
    AskAncestry,
    AskCognition,
    AskNeighbours,
    Cognition,
    CognitionEntry,
    Neighbour,
    Neighbours,
)
from bus.vocabulary.queries.insights import AskInsights, CampaignInsights
from bus.vocabulary.queries.model_worth import AskModelWorth, ModelWorth, ModelWorths
from bus.vocabulary.queries.outcome import AskOutcomes, Outcomes, TrialOutcome
from bus.vocabulary.queries.query import Query
from bus.vocabulary.queries.spending import AskSpending, Spending, SpendingKey, SpendingRow
from bus.vocabulary.queries.sql import AskSql, SqlRows
from bus.vocabulary.queries.verification import (
    AskVerification,
    CandidateVerdict,
    JudgedLook,
    Nominee,
    Promotion,
    SealedRun,
    TunedRung,
    Verification,
)

__all__ = [
    "QUERIES",
    "Ancestry",
    "ArmResults",
    "AskAnalysed",
    "AskAncestry",
    "AskArms",
    "AskCampaignStatus",
    "AskCampaigns",
    "AskCognition",
    "AskExperiments",
    "AskForecast",
    "AskForecastErrors",
    "AskFormulas",
    "AskInsights",
    "AskModelWorth",
    "AskNeighbours",
    "AskOutcomes",
    "AskPeers",
    "AskSetup",
    "AskSpending",
    "AskSql",
    "AskUnitEffects",
    "AskVerification",
    "CampaignInsights",
    "CampaignStatus",
    "Campaigns",
    "CandidateVerdict",
    "Cognition",
    "CognitionEntry",
    "DesignForecast",
    "Experiment",
    "ExperimentSetup",
    "Experiments",
    "FailedAttempt",
    "ForecastErrors",
    "ForecastKind",
    "Forecasts",
    "ForeignRecord",
    "FormulaRecord",
    "FormulaRecords",
    "Graft",
    "JudgedLook",
    "ModelWorth",
    "ModelWorths",
    "Neighbour",
    "Neighbours",
    "Nominee",
    "Outcomes",
    "Peers",
    "Promotion",
    "Query",
    "ResultsByArm",
    "SealedRun",
    "Spending",
    "SpendingKey",
    "SpendingRow",
    "SqlRows",
    "Status",
    "TrialOutcome",
    "TunedRung",
    "UnitEffect",
    "UnitEffects",
    "Verification",
]

QUERIES: dict[str, type[Query]] = {
    q.name: q
    for q in (
        AskCampaignStatus,
        AskCampaigns,
        AskExperiments,
        AskAnalysed,
        AskPeers,
        AskSetup,
        AskAncestry,
        AskNeighbours,
        AskCognition,
        AskForecast,
        AskForecastErrors,
        AskFormulas,
        AskOutcomes,
        AskUnitEffects,
        AskVerification,
        AskInsights,
        AskSpending,
        AskModelWorth,
        AskSql,
        AskArms,
    )
}
"""Every query by its name."""
