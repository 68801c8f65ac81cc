"""Rows of a campaign itself: its start, its pauses, resumptions and endings, and the renewals of its pool."""

import json
from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import CampaignFinished, CampaignPaused, CampaignResumed, CampaignStarted, PoolUpdated
from memory.rows import Row, projects


@projects(CampaignStarted, body=CampaignStarted.model_dump_json)
@dataclass(frozen=True, slots=True)
class CampaignRow(Row):
    """A campaign began."""

    table: ClassVar[str] = "campaigns"

    goal: str
    scale: str
    baselines: tuple[str, ...]
    experiments: int
    slots: int
    body: str
    """The whole CampaignStarted as JSON."""


@projects(
    CampaignPaused,
    CampaignResumed,
    CampaignFinished,
    kind=lambda event: type(event).__name__.removeprefix("Campaign").lower(),
    why=lambda event: event.reason if isinstance(event, CampaignFinished) else event.why,
)
@dataclass(frozen=True, slots=True)
class TransitionRow(Row):
    """A campaign was paused, resumed or finished."""

    table: ClassVar[str] = "turns"

    kind: str
    """`paused`, `resumed` or `finished`."""
    why: str


@projects(PoolUpdated, state=lambda event: json.dumps(event.state))
@dataclass(frozen=True, slots=True)
class PoolRow(Row):
    """The search policy's state changed."""

    table: ClassVar[str] = "pools"

    generation: int
    policy: str
    state: str
    """The state as JSON."""
