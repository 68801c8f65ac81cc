"""Asks memory what is known of discoveries as of a position, and puts each climb into a row. No I/O."""

from collections.abc import Sequence
from typing import Any, cast

from agents.verification.climbs import Climb, climbs, seeds_done, steps_of
from bus.vocabulary.events import Record, VerificationPlan
from bus.vocabulary.queries import (
    AskArms,
    AskFormulas,
    AskInsights,
    AskUnitEffects,
    AskVerification,
    CampaignInsights,
    FormulaRecords,
    Query,
    ResultsByArm,
    UnitEffects,
    Verification,
)
from dashboard.history.discovery import Discovery, discovery

_QUESTIONS: tuple[type[Query], ...] = (AskVerification, AskArms, AskUnitEffects, AskFormulas, AskInsights)
_Replies = tuple[Verification, ResultsByArm, UnitEffects, FormulaRecords, CampaignInsights]


def questions(campaign: str, at: int) -> tuple[Query, ...]:
    """Return what to ask memory about a campaign's discoveries."""
    return tuple(kind(campaign=campaign, at=at) for kind in _QUESTIONS)


def record(at: int, replies: Sequence[Record]) -> Discovery:
    """Return the record of a position from the replies to its questions, in their order."""
    claims, arms, effects, formulas, insights = cast("_Replies", tuple(replies))
    return discovery(at, claims, arms, effects, formulas, insights, climb_rows(claims))


def climb_rows(state: Verification) -> list[dict[str, Any]]:
    """Return a row for each candidate that climbs, in the order in which they began; none without a plan."""
    plan = state.started.verification if state.started else None
    return [_row(state, climb, plan) for climb in climbs(state, plan)] if plan else []


def _row(state: Verification, climb: Climb, plan: VerificationPlan) -> dict[str, Any]:
    """Return where a candidate stands: its rung, the seeds or rates of its step, and what the newest evidence says."""
    return {
        "candidate": climb.candidate,
        "standing": climb.stage,
        "rung": plan.rung_names[climb.step.rung],
        "look": climb.step.look + 1,
        "done": seeds_done(state, plan, climb.step),
        "seeds": steps_of(climb.step, plan),
        "tunes": climb.step.tunes,
        "evidence": climb.judged.why if climb.judged else "",
    }
