"""What is known of discoveries as of one position, as plain data: ladder, evidence, verdicts, arms, units, insights.

Every figure is memory's. This module only chooses what the page shows.
"""

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from bus.vocabulary.design_edits import FUNCTION_MARK
from bus.vocabulary.events import BaselineFigures, VerificationPlan
from bus.vocabulary.queries import (
    CampaignInsights,
    ForecastErrors,
    FormulaRecord,
    FormulaRecords,
    JudgedLook,
    ResultsByArm,
    UnitEffects,
    Verification,
)
from dashboard.report.effects import shown_rows

Discovery = dict[str, Any]
"""The record of one position, a JSON object."""


def discovery(
    at: int,
    claims: Verification,
    arms: ResultsByArm,
    effects: UnitEffects,
    forecasts: ForecastErrors,
    formulas: FormulaRecords,
    insights: CampaignInsights,
    ladder: Iterable[Mapping[str, Any]],
) -> Discovery:
    """Return the record of a position; `ladder` has a row for each candidate that climbs."""
    started = claims.started
    plan = started.verification if started else None
    rows = shown_rows(effects)
    return {
        "at": at,
        "plan": _plan(plan) if plan else None,
        "ladder": list(ladder),
        "evidence": [_look(look) for look in claims.evidence],
        "verdicts": [verdict.model_dump() for verdict in claims.verdicts],
        "empty_places": [
            {"place": one.event.place + 1, "seq": one.seq, "why": one.event.why}
            for one in claims.promotions
            if one.event.candidate is None
        ],
        "arms": [row.model_dump() for row in arms.rows] if started and started.arms else [],
        "effects": [row.model_dump(exclude={"formula"}) | {"name": row.name, "verdict": row.verdict} for row in rows],
        "units": len(effects.rows),
        "analysed": effects.analysed,
        "forecasts": forecasts.model_dump() | {"verdict": forecasts.verdict} if forecasts.designs else None,
        "formulas": [_formula(row) for row in formulas.rows if row.made or row.coined],
        "insights": insights.newest.model_dump() if insights.newest else None,
    }


def _plan(plan: VerificationPlan) -> Mapping[str, Any]:
    names = plan.rung_names
    return {
        "rungs": [{"name": name, "seeds": rung.looks[-1]} for name, rung in zip(names, plan.rungs, strict=True)],
        "places": len(plan.settlements),
        "margin": plan.margin,
        "alpha": plan.alpha,
        "rates": plan.rates,
    }


def _formula(row: FormulaRecord) -> Mapping[str, Any]:
    """Return a formula that was put into designs, without its fingerprint."""
    gains = [graft.gain for graft in row.grafts if graft.gain is not None]
    return {
        "unit": row.unit.rpartition(FUNCTION_MARK)[0] or row.unit,
        "experiment": row.experiment,
        "grafts": [graft.experiment for graft in row.made],
        "failed": sum(graft.state == "failed" for graft in row.grafts),
        "gain": fmean(gains) if gains else None,
        "coined": row.coined,
    }


def _look(look: JudgedLook) -> Mapping[str, Any]:
    event = look.event
    return {
        "seq": look.seq,
        "candidate": look.candidate,
        "rung": event.figures.rung,
        "look": event.look + 1,
        "seeds": len(event.figures.seeds),
        "needed": 1 / event.level,
        "outcome": event.outcome,
        "why": event.why,
        "baselines": [_against(figures) for figures in event.figures.comparisons],
    }


def _against(figures: BaselineFigures) -> Mapping[str, Any]:
    low, high = figures.seed_interval
    return {
        "baseline": figures.baseline,
        "gain": figures.mean,
        "low": low,
        "high": high,
        "e_value": figures.e_value,
    }
