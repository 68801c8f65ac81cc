"""A campaign's life: started, paused, resumed, its pool of parents renewed, finished. All said by the director."""

from typing import ClassVar, Literal

from pydantic import Field

from bus.vocabulary.events.base import Event

FinishReason = Literal["budget_spent", "stopped"]


class CampaignStarted(Event):
    """A campaign begins. Everything that steers it is here, so that the log alone explains every later decision."""

    once: ClassVar[bool] = True

    goal: str
    """What the campaign looks for, in words; a model reads it, the genetic researcher matches its keywords."""
    seed: int
    """Root of all randomness in the campaign."""
    scale: str
    """Name of the rung of the ladder of scales that experiments run at, such as `nano`."""
    experiments: int = Field(ge=0)
    """How many experiments to make, beside the baselines."""
    slots: int = Field(ge=1)
    """How many experiments may be under way at once (K)."""
    attempts: int = Field(ge=0, default=3)
    """How many repairs an experiment may have before it is given up."""
    baselines: tuple[str, ...]
    """Names of the human baselines that open the campaign, in order."""
    cold_start: int = Field(ge=1)
    """Analysed experiments before the pool is renewed for the first time."""
    batch: int = Field(ge=1)
    """Analysed experiments between renewals of the pool after that."""
    data: str | None = None
    """The user's own text (`--data`), or None for the default corpus."""
    sandbox: Literal["bwrap", "none"] = "bwrap"
    """What candidates are contained by; `none` only where a person asked for it."""


class CampaignPaused(Event):
    """No new slot is opened until a CampaignResumed; what runs goes on."""

    by: str
    """Who asked."""
    why: str = ""
    """The reason given."""


class CampaignResumed(Event):
    """Slots are opened again, after a pause, or after a finish whose budget a person has raised."""

    by: str
    """Who asked."""
    why: str = ""
    """The reason given."""


class PoolUpdated(Event):
    """The two tiers that parents and references are drawn from, renewed in a batch."""

    generation: int = Field(ge=1)
    """Counts the renewals."""
    parents: tuple[str, ...]
    """Experiments ranked 1–10 by fitness."""
    references: tuple[str, ...]
    """Experiments ranked 11–50."""


class CampaignFinished(Event):
    """Every slot is settled, or a person said stop. Said once, until the campaign is resumed."""

    reason: FinishReason
    """Why it ended."""
    analysed: int = Field(ge=0)
    """Experiments that have a fitness, baselines included."""
    failed: int = Field(ge=0)
    """Experiments given up after their repairs."""
    rejected: int = Field(ge=0)
    """Experiments whose every idea was rejected before any code ran."""
    best: str | None = None
    """The experiment with the highest fitness."""
