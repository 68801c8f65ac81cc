"""What can be asked of memory on `lab.query.<name>`, and the shape of each answer.

`at` is a position in the log: the answer describes the log up to and including it, whatever memory has read since, so
that a decision depends on the log's prefix and not on timing. `at=0` asks for the latest. Answers and traces hold what
was asked for and no more: who needs sources says so.
"""

from bus.vocabulary.queries.campaign import AskCampaignStatus, CampaignStatus
from bus.vocabulary.queries.comparison import AskPeers, AskSetup, ExperimentSetup, Peers
from bus.vocabulary.queries.experiment import AskExperiments, Experiment, Experiments, FailedAttempt, Status
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
from bus.vocabulary.queries.query import Query

__all__ = [
    "QUERIES",
    "Ancestry",
    "AskAncestry",
    "AskCampaignStatus",
    "AskCognition",
    "AskExperiments",
    "AskNeighbours",
    "AskPeers",
    "AskSetup",
    "CampaignStatus",
    "Cognition",
    "CognitionEntry",
    "Experiment",
    "ExperimentSetup",
    "Experiments",
    "FailedAttempt",
    "Neighbour",
    "Neighbours",
    "Peers",
    "Query",
    "Status",
]

QUERIES: dict[str, type[Query]] = {
    q.name: q for q in (AskCampaignStatus, AskExperiments, AskPeers, AskSetup, AskAncestry, AskNeighbours, AskCognition)
}
"""Every query by its name."""
