"""How experiments ended, as a log tells it."""

from collections import Counter
from collections.abc import Iterable

from bus.vocabulary.events import AnalysisReady, CodeFailed, ProposalRejected
from bus.wire.envelope import Envelope


def ends(log: Iterable[Envelope]) -> Counter[str]:
    """Count the events that end each experiment: it is analysed, given up or rejected."""
    return Counter(
        said.experiment
        for said in log
        if isinstance(said.event, AnalysisReady)
        or (isinstance(said.event, CodeFailed | ProposalRejected) and said.event.final)
    )
