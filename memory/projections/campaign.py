"""What is kept of a campaign's own life: how it opened, its turns, and the tiers its parents were drawn from."""

from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import CampaignFinished, CampaignPaused, CampaignResumed, CampaignStarted, PoolUpdated
from bus.wire.envelope import Envelope
from memory.rows import Row, projects


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


@dataclass(frozen=True, slots=True)
class TransitionRow(Row):
    """A campaign was paused, resumed or finished."""

    table: ClassVar[str] = "turns"

    kind: str
    """`paused`, `resumed` or `finished`."""
    why: str


@dataclass(frozen=True, slots=True)
class PoolRow(Row):
    """The tiers were renewed."""

    table: ClassVar[str] = "pools"

    generation: int
    parents: tuple[str, ...]
    references: tuple[str, ...]


@projects(CampaignStarted)
def opening(envelope: Envelope) -> list[Row]:
    """Keep how a campaign was started, whole."""
    return [CampaignRow.of(envelope, body=envelope.event.model_dump_json())]


@projects(CampaignPaused, CampaignResumed, CampaignFinished)
def turn(envelope: Envelope) -> list[Row]:
    """Keep a pause, a resumption or an end with its reason."""
    event = envelope.event
    why = event.reason if isinstance(event, CampaignFinished) else getattr(event, "why", "")
    return [TransitionRow.of(envelope, kind=envelope.type.removeprefix("Campaign").lower(), why=why)]


@projects(PoolUpdated)
def pool(envelope: Envelope) -> list[Row]:
    """Keep a renewal of the tiers."""
    return [PoolRow.of(envelope)]
