"""One result's analysis: fitness, objective, findings, the weakness to address next, and the papers that it finds.

Code does all arithmetic. A model, if the campaign names one for the analyst, adds words and marks. A campaign has one
judge for the judge part of a fitness (`AnalystSettings.judge`), since marks of two judges are no one scale.
"""

from typing import Literal

from pydantic import Field

from agents.analysis.findings import findings
from agents.analysis.first_problems import fixed_problem
from agents.analysis.fitness import Reference, fitness, judge, marked_judge, parts, reference
from agents.analysis.objective import score
from agents.analysis.problems import problem
from agents.analysis.unit_findings import unit_findings
from agents.search.draws import search_draws
from agents.thinking.judging import NEUTRAL_MARK, Opinion, opinion
from bus.delivery.role import Subdecision
from bus.delivery.role_spec import RoleSettings
from bus.vocabulary.events import AnalysisReady, CampaignStarted, FitnessParts, Metrics, RunCompleted
from bus.vocabulary.queries import AskCognition, AskUnitEffects, Cognition, Peers, UnitEffects
from bus.wire.envelope import Envelope
from bus.wire.plain_text import clean_line

ANALYST = "analyst"
"""Name of the role, whose settings and model these are."""
FINDING_CHARACTERS = 400
PROBLEM_CHARACTERS = 800
MAX_FINDINGS = 5
"""Findings of a model that are kept."""
SIGNED = "judge"
"""Setting whose presence in a log says that its analyses name their judge."""


class AnalystSettings(RoleSettings):
    """`[roles.analyst]`: how problems are worded, and who judges."""

    problems: Literal["findings", "fixed"] = "findings"
    """With `findings`, a problem is put together from measurements and units; with `fixed`, as in logs without this
    setting, it is one of ten texts."""
    unit_effects: bool = True
    """Whether findings and problems name units that the campaign has shown to help or to hurt; not in logs without this
    setting."""
    judge: Literal["model", "formula"] = "model"
    """Who gives the judge part of a fitness, if the analyst has a model: one kind for all results of a campaign. With
    `formula`, the model explains and marks nothing."""
    insights_every: int = Field(default=10, ge=0)
    """Analysed experiments between two rolling insights (InsightsReady); 0 for none."""
    judgements: int = Field(default=1, ge=1, le=9)
    """Judgements of one result; the median of their marks counts. One is enough at temperature 0."""


def settings_of(started: CampaignStarted | None) -> AnalystSettings:
    """Return the settings in force in a campaign; what an older log does not set is as it was then."""
    recorded = started.roles.get(ANALYST, {}) if started else {}
    return AnalystSettings.model_validate({"problems": "fixed", "unit_effects": False, **recorded})


def analysis(
    envelope: Envelope, peers: Peers, first_findings: tuple[str, ...] = (), runs: tuple[Metrics, ...] = ()
) -> Subdecision[AnalysisReady]:
    """Return one experiment's analysis; `first_findings` come before its own, `runs` are its runs if it has several."""
    against = reference(peers.baselines)
    scored = parts(peers.this, against, judge(peers.this, against))
    effects = yield from _effects(envelope, peers)
    lines = (*first_findings, *findings(peers, against), *unit_findings(effects, peers.this.design))
    weakness = _problem(envelope, peers, scored, against, effects)
    view = yield from _opinion(envelope, peers, lines, weakness)
    if marks := _marks(peers, view):
        scored = parts(peers.this, against, marked_judge(*marks))
    if view and (said := view.judgement):
        lines += tuple(clean_line(line, FINDING_CHARACTERS) for line in said.findings[:MAX_FINDINGS])
        weakness = clean_line(said.problem, PROBLEM_CHARACTERS) or weakness
    cognition: Cognition = yield AskCognition(campaign=envelope.campaign, at=envelope.seq, text=weakness)
    objective = peers.started.objective if peers.started else None
    value, value_parts = score(objective, peers.this, peers.baselines, runs) if objective else (None, None)
    return AnalysisReady(
        fitness=fitness(scored),
        parts=scored,
        findings=lines,
        problem=weakness,
        cognition=tuple(entry.key for entry in cognition.rows),
        objective=value,
        objective_parts=value_parts,
        judged_by=_judged_by(peers, view),
    )


def _effects(envelope: Envelope, peers: Peers) -> Subdecision[UnitEffects]:
    """Return what the campaign knows of units, if the analyst is to name it."""
    if not settings_of(peers.started).unit_effects:
        return UnitEffects()
    return (yield AskUnitEffects(campaign=envelope.campaign, at=envelope.seq))


def _problem(
    envelope: Envelope, peers: Peers, scored: FitnessParts, against: Reference | None, effects: UnitEffects
) -> str:
    """Return the problem in words, as the campaign's settings want it."""
    if settings_of(peers.started).problems == "fixed":
        return fixed_problem(peers.this, scored, against)
    event = envelope.event  # the curve of a result that waited for a baseline is not in the event
    curve = event.metrics.curve if isinstance(event, RunCompleted) and envelope.experiment == peers.this.id else ()
    draws = search_draws(envelope.campaign, peers.this.id, ANALYST, peers.started)
    return problem(peers, curve, draws, effects)


def _opinion(envelope: Envelope, peers: Peers, lines: tuple[str, ...], weakness: str) -> Subdecision[Opinion | None]:
    """Return the model's opinion; None if the campaign has no model for this role."""
    if peers.started is None or ANALYST not in peers.started.models:
        return None
    judgements = settings_of(peers.started).judgements
    return (yield from opinion(envelope, peers, lines, weakness, judgements, ANALYST))


def _marks(peers: Peers, view: Opinion | None) -> tuple[int, int, int] | None:
    """Return the marks of the campaign's judge; None if the formula gives the judge part."""
    if view is None or settings_of(peers.started).judge == "formula":
        return None
    if (said := view.judgement) is None:
        return (NEUTRAL_MARK, NEUTRAL_MARK, NEUTRAL_MARK) if view.by else None
    return said.performance, said.innovation, said.complexity


def _judged_by(peers: Peers, view: Opinion | None) -> str:
    """Return who gave the judge part; empty in a log that does not say it."""
    if peers.started is None or (view and not view.by):
        return ""
    if view is None or settings_of(peers.started).judge == "formula":
        return "formula" if SIGNED in peers.started.roles.get(ANALYST, {}) else ""
    return view.by if view.judgement else "neutral"
