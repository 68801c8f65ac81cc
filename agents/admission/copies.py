"""Copies: two slots that were open at the same time may propose one design, and the second is not trained.

A researcher compares an idea with those that the log holds when its slot is opened. So neither of two such slots knows
of the other's idea. The log puts the two in an order, and the engineer reads it there.
"""

from agents.repair.attempt import AttemptFault
from agents.thinking.repairing import settings_of
from bus.vocabulary.events import Event, ProposalCreated
from bus.vocabulary.queries import ExperimentSetup

COPIED = "copied"
"""Reason of the failure of a copy: another source would be another idea, so none is made."""


def copied(event: Event, setup: ExperimentSetup) -> AttemptFault | None:
    """Return why a proposal is not trained if it is a copy; baselines, priors and people's designs always are."""
    is_idea = isinstance(event, ProposalCreated) and event.origin in ("genetic", "model") and event.operator != "prior"
    if not (is_idea and setup.copy_of and setup.started and settings_of(setup.started).refuse_copies):
        return None
    return AttemptFault("static", COPIED, f"{setup.copy_of} is the same design; another slot proposed it meanwhile")
