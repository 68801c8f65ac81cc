"""What memory keeps of each event, one file per group of events."""

from bus.wire.envelope import Envelope
from memory.projections.analysis import Analysis, Verdict
from memory.projections.campaign import Opening, Pool, Turn
from memory.projections.code import Failure, Revision
from memory.projections.embedding import Embedded
from memory.projections.human import Reply, Word
from memory.projections.log_index import Said, in_the_log
from memory.projections.proposal import Proposal, Rejection, Slot, Source
from memory.projections.run import Anomaly, Completion, Curve, Fault, Request, Start
from memory.rows import PROJECTIONS, Row

TABLES: tuple[type[Row], ...] = (
    Said,
    Opening,
    Turn,
    Pool,
    Word,
    Reply,
    Slot,
    Proposal,
    Rejection,
    Source,
    Failure,
    Revision,
    Request,
    Start,
    Anomaly,
    Fault,
    Completion,
    Curve,
    Analysis,
    Verdict,
)
"""Every table of the log's own facts; together they are what the digest is taken over."""

DERIVED: tuple[type[Row], ...] = (Embedded,)
"""Tables of what is worked out from those."""


def rows(said: Envelope) -> list[Row]:
    """Return everything that memory keeps of an event. Raises ValueError where a value can't be stored."""
    projection = PROJECTIONS.get(said.type)
    return [in_the_log(said), *(projection(said) if projection else ())]
