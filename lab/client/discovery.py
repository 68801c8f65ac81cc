"""Asks memory what is known of discoveries as of a position, and adds what follows from the log alone. No I/O.

From the log come the law of discovery, how the rungs agree and how often a placebo passed: the figures that
`move37 law` and the pages of campaigns print of whole logs.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from agents.verification.climbs import Climb, climbs, seeds_done, steps_of
from bus.vocabulary.events import Record, VerificationPlan
from bus.vocabulary.queries import (
    AskArms,
    AskForecastErrors,
    AskFormulas,
    AskInsights,
    AskUnitEffects,
    AskVerification,
    CampaignInsights,
    ForecastErrors,
    FormulaRecords,
    Query,
    ResultsByArm,
    UnitEffects,
    Verification,
)
from dashboard.history.discovery import Discovery, discovery
from lab.client.law import law_report
from lab.client.outcomes import ExperimentOutcome
from lab.client.placebos import placebo_rate
from lab.client.rungs import agreements, rung_losses, rung_runs
from lab.client.trajectories import searches

_QUESTIONS: tuple[type[Query], ...] = (
    AskVerification, AskArms, AskUnitEffects, AskForecastErrors, AskFormulas, AskInsights,
)  # fmt: skip
_Replies = tuple[Verification, ResultsByArm, UnitEffects, ForecastErrors, FormulaRecords, CampaignInsights]


def questions(campaign: str, at: int) -> tuple[Query, ...]:
    """Return what to ask memory about a campaign's discoveries."""
    return tuple(kind(campaign=campaign, at=at) for kind in _QUESTIONS)


def record(at: int, replies: Sequence[Record], found: Sequence[ExperimentOutcome]) -> Discovery:
    """Return the record of a position from the replies to its questions, in their order, and the log's outcomes.

    Outcomes after the position do not count.
    """
    claims, arms, effects, forecasts, formulas, insights = cast("_Replies", tuple(replies))
    known = [one for one in found if one.seq <= at]
    return discovery(at, claims, arms, effects, forecasts, formulas, insights, climb_rows(claims)) | {
        "law": law_rows(known),
        "rungs": _rung_rows(claims, known),
        "placebos": _placebos(claims),
    }


def climb_rows(state: Verification) -> list[dict[str, Any]]:
    """Return a row for each candidate that climbs, in the order in which they began; none without a plan."""
    plan = state.started.verification if state.started else None
    return [_row(state, climb, plan) for climb in climbs(state, plan)] if plan else []


def _row(state: Verification, climb: Climb, plan: VerificationPlan) -> dict[str, Any]:
    """Return where a candidate stands: its rung, the seeds or rates of its step, and what the newest evidence says."""
    return {
        "candidate": climb.candidate,
        "placebo_of": climb.step.placebo_of,
        "standing": climb.stage,
        "rung": plan.rung_names[climb.step.rung],
        "look": climb.step.look + 1,
        "done": seeds_done(state, plan, climb.step),
        "seeds": steps_of(climb.step, plan),
        "tunes": climb.step.tunes,
        "evidence": climb.judged.why if climb.judged else "",
    }


def law_rows(found: Sequence[ExperimentOutcome]) -> list[dict[str, Any]]:
    """Return for each arm what it spent, and how what it found grows with its experiments."""
    arms = law_report(searches(found, "", ""))["arms"]
    return [_law_row(arm, figures) for arm, figures in arms.items() if figures["trials"]]


def _law_row(arm: str, figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "arm": arm,
        **{name: figures[name] for name in ("experiments", "failed", "seconds")},
        "discoveries": _growth(figures["discoveries"]),
        "hits": _growth(figures["screening_hits"]),
        "curve": [(cost, mean) for cost, mean, _, _ in figures["screening_hits"]["curve"]],
    }


def _growth(counted: dict[str, Any]) -> dict[str, Any]:
    return {"count": counted["count"], "law": counted["law"].get("experiments")}


def _rung_rows(state: Verification, found: Sequence[ExperimentOutcome]) -> list[dict[str, Any]]:
    """Return how each rung agrees with the next one."""
    return [asdict(one) for one in agreements(rung_losses(rung_runs(found, state.started)))] if state.started else []


def _placebos(state: Verification) -> dict[str, Any]:
    """Return how many baselines were put on the ladder as placebos, and how many of those that ended passed."""
    plan = state.started.verification if state.started else None
    standings = [climb.stage for climb in climbs(state, plan) if climb.step.placebo_of] if plan else []
    return {"begun": len(standings), "planned": plan.placebos if plan else 0, **asdict(placebo_rate(standings))}
