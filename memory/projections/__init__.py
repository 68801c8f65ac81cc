"""The rows that memory stores of each event, one file per group of events."""

from bus.wire.envelope import Envelope
from memory.projections.analysis import AnalysisRow, ObjectiveRow
from memory.projections.campaign import CampaignRow, ForkRow, PoolRow, ProgramFaultRow, TransitionRow
from memory.projections.code import FailureRow, RevisionRow
from memory.projections.coining import CoinedUnitRow
from memory.projections.embedding import EmbeddingRow
from memory.projections.human import HumanAnswerRow, HumanMessageRow
from memory.projections.insights import InsightsRow
from memory.projections.log_index import EventRow, event_row
from memory.projections.model import ModelAnswerRow
from memory.projections.proposal import (
    ChosenPolicyRow,
    ForecastRow,
    GraftSlotRow,
    ImportRow,
    ProposalRow,
    RejectionRow,
    SlotRow,
    SourceRow,
)
from memory.projections.researchers import ProgramPromotionRow, ProgramRow, ProgramScoreRow
from memory.projections.run import AnomalyRow, CompletionRow, CurveRow, RunFailureRow, RunRequestRow, RunStartRow
from memory.projections.verification import (
    EvidenceRow,
    PromotionRow,
    RatesRow,
    VerdictRow,
    VerificationFailureRow,
    VerificationRequestRow,
    VerificationRow,
)
from memory.rows import PROJECTIONS, Row

TABLES: tuple[type[Row], ...] = (
    EventRow,
    CampaignRow,
    TransitionRow,
    PoolRow,
    HumanMessageRow,
    HumanAnswerRow,
    SlotRow,
    ChosenPolicyRow,
    GraftSlotRow,
    ProposalRow,
    ForecastRow,
    ImportRow,
    RejectionRow,
    SourceRow,
    FailureRow,
    RevisionRow,
    RunRequestRow,
    RunStartRow,
    AnomalyRow,
    RunFailureRow,
    CompletionRow,
    CurveRow,
    AnalysisRow,
    VerdictRow,
    ObjectiveRow,
    PromotionRow,
    VerificationRequestRow,
    VerificationRow,
    VerificationFailureRow,
    RatesRow,
    EvidenceRow,
    ModelAnswerRow,
    InsightsRow,
    CoinedUnitRow,
    ProgramFaultRow,
    ProgramRow,
    ProgramScoreRow,
    ProgramPromotionRow,
    ForkRow,
)
"""The tables of the log's facts, which the digest covers. Their order decides the digest."""

DERIVED: tuple[type[Row], ...] = (EmbeddingRow,)
"""Tables of rows that are computed from those."""


def rows(envelope: Envelope) -> tuple[EventRow, *tuple[Row, ...]]:
    """Return all rows of an event. Raises ValueError if a value can't be stored."""
    projections = (each for each in PROJECTIONS.get(envelope.type, ()) if each.when(envelope.event))
    return event_row(envelope), *(projection.row(envelope) for projection in projections)
