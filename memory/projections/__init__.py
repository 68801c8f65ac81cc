"""What memory keeps of each event, one file per group of events."""

from bus.wire.envelope import Envelope
from memory.projections.analysis import AnalysisRow, VerdictRow
from memory.projections.campaign import CampaignRow, PoolRow, TransitionRow
from memory.projections.code import FailureRow, RevisionRow
from memory.projections.embedding import EmbeddingRow
from memory.projections.human import HumanAnswerRow, HumanMessageRow
from memory.projections.log_index import EventRow, event_row
from memory.projections.proposal import ProposalRow, RejectionRow, SlotRow, SourceRow
from memory.projections.run import AnomalyRow, CompletionRow, CurveRow, RunFailureRow, RunRequestRow, RunStartRow
from memory.rows import PROJECTIONS, Row

TABLES: tuple[type[Row], ...] = (
    EventRow,
    CampaignRow,
    TransitionRow,
    PoolRow,
    HumanMessageRow,
    HumanAnswerRow,
    SlotRow,
    ProposalRow,
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
)
"""Every table of the log's own facts; together they are what the digest is taken over."""

DERIVED: tuple[type[Row], ...] = (EmbeddingRow,)
"""Tables of what is worked out from those."""


def rows(envelope: Envelope) -> list[Row]:
    """Return everything that memory keeps of an event. Raises ValueError where a value can't be stored."""
    projection = PROJECTIONS.get(envelope.type)
    return [event_row(envelope), *(projection(envelope) if projection else ())]
