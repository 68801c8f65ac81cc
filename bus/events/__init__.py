"""The vocabulary of the lab: every event there is, one class each.

An event is a fact said by one role (DESIGN: the log is the truth). Import the module and read it as a list:
`from bus import events; events.ProposalCreated`.
"""

from bus.events.analysis import AnalysisReady, DiscoveryConfirmed, DiscoveryRefuted, FitnessParts
from bus.events.base import EVENT_TYPES, Event, Record
from bus.events.campaign import CampaignFinished, CampaignPaused, CampaignResumed, CampaignStarted, PoolUpdated
from bus.events.code import CodeFailed, CodeRevised, Stage
from bus.events.human import HumanAnswered, HumanKind, HumanMessage, Spoken
from bus.events.proposal import Origin, ProposalCreated, ProposalRejected, ProposalRequested
from bus.events.run import (
    TOO_GOOD,
    VETOED,
    AnomalyKind,
    CurvePoint,
    GateResult,
    Limits,
    LossPoint,
    Peer,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    TaskScore,
)

__all__ = [
    "EVENT_TYPES",
    "TOO_GOOD",
    "VETOED",
    "AnalysisReady",
    "AnomalyKind",
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
    "FitnessParts",
    "GateResult",
    "HumanAnswered",
    "HumanKind",
    "HumanMessage",
    "Limits",
    "LossPoint",
    "Origin",
    "Peer",
    "PoolUpdated",
    "ProposalCreated",
    "ProposalRejected",
    "ProposalRequested",
    "Record",
    "RunAnomaly",
    "RunCompleted",
    "RunFailed",
    "RunRequested",
    "RunStarted",
    "Spoken",
    "Stage",
    "TaskScore",
]
