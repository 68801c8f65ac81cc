"""The ends of experiments in a log."""

from collections import Counter
from collections.abc import Iterable

from bus.vocabulary.events import AnalysisReady, CodeFailed, ProposalRejected
from bus.wire.envelope import Envelope


def ends(log: Iterable[Envelope]) -> Counter[str]:
    """Count the events that end each experiment: analysed, given up or rejected."""
    return Counter(
        envelope.experiment
        for envelope in log
        if isinstance(envelope.event, AnalysisReady)
        or (isinstance(envelope.event, CodeFailed | ProposalRejected) and envelope.event.final)
    )
