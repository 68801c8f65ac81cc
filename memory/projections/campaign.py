"""Rows of a campaign itself: its start, its transitions (such as paused or finished), and the renewals of its pool."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from bus.vocabulary.events import (
    CampaignArchived,
    CampaignFinished,
    CampaignForked,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    PoolUpdated,
    ProgramFailed,
    VerificationPlan,
)
from memory.rows import Row, projects

LATER_FIELDS = {
    "space", "objective", "verification", "arms", "coined", "prior", "prior_sha256", "model_choices", "model_bandits",
    "model_limits", "rung", "researcher", "checks_examination", "search_seed",
    "coining_margin",
}  # fmt: skip
"""Fields of CampaignStarted that earlier logs lack."""


def _body(event: CampaignStarted) -> str:
    """Return the event as JSON; a later field is left out at its default, so digests of earlier logs stay."""
    defaults = {name for name in LATER_FIELDS if getattr(event, name) == CampaignStarted.model_fields[name].default}
    absent: dict[str, Any] = dict.fromkeys(defaults, True)
    if event.researcher and not event.researcher.promotion:
        absent["researcher"] = {"promotion": True}
    if event.verification:
        absent["verification"] = _absent_from(event.verification)
    return event.model_dump_json(exclude=absent)


def _absent_from(plan: VerificationPlan) -> dict[str, Any]:
    """Return the later fields of a plan that are at their defaults."""
    fields = VerificationPlan.model_fields
    absent = {name: True for name in ("placebos", "rates", "ascent") if getattr(plan, name) == fields[name].default}
    rungs = {} if any(rung.parameters for rung in plan.rungs) else {"rungs": {"__all__": {"parameters": True}}}
    return {**absent, **rungs}


@projects(CampaignStarted, body=_body)
@dataclass(frozen=True, slots=True)
class CampaignRow(Row):
    """A campaign began."""

    table: ClassVar[str] = "campaigns"

    goal: str
    scale: str
    baselines: tuple[str, ...]
    experiments: int
    """How many experiments to make, baselines not counted."""
    slots: int
    """How many slots may be open at once (K)."""
    body: str
    """CampaignStarted as JSON."""


@projects(CampaignForked, body=lambda event: event.model_dump_json())
@dataclass(frozen=True, slots=True)
class ForkRow(Row):
    """A fork changed what steers the campaign from here on."""

    table: ClassVar[str] = "forks"

    policy: str | None
    """The new search policy; None if it stays."""
    search_seed: int | None
    """What the draws of the search derive from since; None if that stays."""
    body: str
    """CampaignForked as JSON."""


def _reason(event: CampaignPaused | CampaignResumed | CampaignFinished | CampaignArchived) -> str:
    match event:
        case CampaignFinished():
            return event.reason
        case CampaignArchived():
            return event.file
        case _:
            return event.why


@projects(
    CampaignPaused,
    CampaignResumed,
    CampaignFinished,
    CampaignArchived,
    kind=lambda event: type(event).__name__.removeprefix("Campaign").lower(),
    why=_reason,
)
@dataclass(frozen=True, slots=True)
class TransitionRow(Row):
    """A campaign was paused, resumed, finished or archived. The table has an older name for these rows."""

    table: ClassVar[str] = "turns"

    kind: str
    """`paused`, `resumed`, `finished` or `archived`."""
    why: str
    """The reason that a person gave; of a finish, its reason code such as `stopped`; of an archive, its file."""


@projects(PoolUpdated, state=lambda event: json.dumps(event.state))
@dataclass(frozen=True, slots=True)
class PoolRow(Row):
    """The pool was renewed: the search policy has a new state."""

    table: ClassVar[str] = "pools"

    generation: int
    """The number of the renewal, from 1."""
    policy: str
    """Name of the search policy."""
    state: str
    """The state as JSON."""


@projects(ProgramFailed)
@dataclass(frozen=True, slots=True)
class ProgramFaultRow(Row):
    """The campaign's researcher program failed in a step."""

    table: ClassVar[str] = "program_faults"

    program: str
    """Digest of its source."""
    call: str
    reason: str
    message: str
    slot: int | None
    fallback: str
    """The policy that made the slot's suggestion; empty for `tell`."""
