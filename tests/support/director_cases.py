"""The state of a campaign that the director's tests start from, and what they read from its decisions."""

from collections.abc import Sequence
from typing import Any

from agents.roles.director import Director
from bus.delivery.role import Post
from bus.vocabulary.events import AnalysisReady, CodeFailed, Event, FitnessParts, HumanMessage, ProposalRequested
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from tests.support.decisions import decide, envelope_of
from tests.support.factories import campaign_started

STARTED = campaign_started(experiments=20, slots=2, baselines=("linear-attention", "gla"), cold_start=4, batch=3)
ANALYSED = AnalysisReady(fitness=0.5, parts=FitnessParts(loss=0.5, benchmark=0.5, judge=0.5), findings=(), problem="p")
FAILED = CodeFailed(attempt=0, stage="gate", reason="causality", message="m", final=True)
RANKED = tuple(f"e{n:04d}" for n in range(1, 31))
EMPTY = {"ranking": (), "pool": {}}
"""Fields of a status before the first renewal."""


def status(**fields: Any) -> CampaignStatus:
    """Return the status in the middle of a campaign: seven of eight open slots are settled."""
    defaults: dict[str, Any] = {
        "campaign": "nano-0-aa", "started": STARTED, "budget": 20, "opened": 8, "watermark": 8, "settled": 7,
        "unsettled": 1, "analysed": 6, "ranking": RANKED,
        "pool": {"parents": list(RANKED[:10]), "references": list(RANKED[10:])},
    }  # fmt: skip
    return CampaignStatus.model_validate(defaults | fields)


def settled_status(**fields: Any) -> CampaignStatus:
    """Return the status of a campaign whose 22 slots are all settled."""
    return status(opened=22, watermark=22, settled=22, unsettled=0, **fields)


def message(kind: str, text: str = "w") -> HumanMessage:
    """Return a person's message."""
    return HumanMessage.model_validate({"kind": kind, "text": text, "by": "Ada"})


def director_posts(event: Event, campaign: CampaignStatus, experiment: str = "e0004", seq: int = 40) -> list[Post]:
    """Return what the director publishes after an event, given the campaign's status."""
    return decide(Director(), envelope_of(event, experiment, seq), {AskCampaignStatus: campaign}).posts


def event_types(posts: Sequence[Post]) -> list[str]:
    """Return the types of the posted events."""
    return [type(post.event).__name__ for post in posts]


def opened_slots(posts: Sequence[Post]) -> list[str]:
    """Return the experiments whose slots are opened."""
    return [post.experiment for post in posts if isinstance(post.event, ProposalRequested)]
