"""The vocabulary of the lab: every event there is, one class each.

An event is a fact that one role publishes to the log. `bus.delivery.role_spec` declares which role publishes which.
"""

from bus.vocabulary.events.analysis import AnalysisReady, FitnessParts
from bus.vocabulary.events.base import EVENT_TYPES, Event, Limits, Record
from bus.vocabulary.events.campaign import (
    CampaignArchived,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    PoolUpdated,
)
from bus.vocabulary.events.code import CodeFailed, CodeRevised, Stage
from bus.vocabulary.events.human import OWNER, HumanAnswered, HumanKind, HumanMessage, Spoken
from bus.vocabulary.events.imported import ExperimentImported
from bus.vocabulary.events.metrics import CurvePoint, Measure, Metrics, TaskMetrics
from bus.vocabulary.events.model import ModelAccount, ModelAnswered, ModelOutcome
from bus.vocabulary.events.objective import Objective, ObjectiveMeasure, ObjectiveParts, rank_key
from bus.vocabulary.events.proposal import (
    Forecast,
    Origin,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    Ranking,
    Wish,
)
from bus.vocabulary.events.run import (
    TOO_GOOD,
    VETOED,
    AnomalyKind,
    GateResult,
    LossPoint,
    Peer,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
)
from bus.vocabulary.events.verification import (
    MAX_BLOCKS,
    BaselineFigures,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    EvidenceReady,
    PlannedRun,
    PromotionDecided,
    Rung,
    RungFigures,
    VerificationCompleted,
    VerificationFailed,
    VerificationPlan,
    VerificationRequested,
)

__all__ = [
    "EVENT_TYPES",
    "MAX_BLOCKS",
    "OWNER",
    "TOO_GOOD",
    "VETOED",
    "AnalysisReady",
    "AnomalyKind",
    "BaselineFigures",
    "CampaignArchived",
    "CampaignFinished",
    "CampaignPaused",
    "CampaignResumed",
    "CampaignStarted",
    "CodeFailed",
    "CodeRevised",
    "CurvePoint",
    "DiscoveryConfirmed",
    "DiscoveryRefuted",
    "Event",
    "EvidenceReady",
    "ExperimentImported",
    "FitnessParts",
    "Forecast",
    "GateResult",
    "HumanAnswered",
    "HumanKind",
    "HumanMessage",
    "Limits",
    "LossPoint",
    "Measure",
    "Metrics",
    "ModelAccount",
    "ModelAnswered",
    "ModelOutcome",
    "Objective",
    "ObjectiveMeasure",
    "ObjectiveParts",
    "Origin",
    "Peer",
    "PlannedRun",
    "PoolUpdated",
    "PromotionDecided",
    "ProposalCreated",
    "ProposalRejected",
    "ProposalRequested",
    "Ranking",
    "Record",
    "RunAnomaly",
    "RunCompleted",
    "RunFailed",
    "RunRequested",
    "RunStarted",
    "Rung",
    "RungFigures",
    "Spoken",
    "Stage",
    "TaskMetrics",
    "VerificationCompleted",
    "VerificationFailed",
    "VerificationPlan",
    "VerificationRequested",
    "Wish",
    "rank_key",
]
