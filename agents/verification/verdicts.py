"""The analyst's part: what a look says about a candidate, and the verdict on its claim.

A look is judged when all of its runs have ended. A seed counts if the candidate and every baseline have a score on it:
a baseline's lost run takes its seed from the comparison. A lost run of the candidate refutes the claim, since it must
not lose a seed that would have gone badly; so does a model of the candidate that misses the rung's budget of
parameters. When the runs that try learning rates have ended, each climber gets its rate. The statistics are those of
`agents.analysis.evidence`.

The verdict follows from the evidence in the log, of which the stream takes one for each look, so a candidate never gets
two verdicts. A placebo gets evidence like any candidate, at the same level, but no verdict: it can't be a discovery.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from agents.analysis.evidence.stream import level
from agents.analysis.evidence.verdict import (
    BaselineComparison,
    ClaimPlan,
    PairedGains,
    RungEvidence,
    RungGains,
    RungPlan,
    judge,
)
from agents.verification.climbs import Climb, candidate_runs, climbs, ended_runs, has_lost, look_runs
from agents.verification.rates import chosen_rates
from agents.verification.sizes import is_matched, mismatch
from bus.delivery.role import Post
from bus.vocabulary.events import (
    BaselineFigures,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    EvidenceReady,
    RungFigures,
    VerificationPlan,
)
from bus.vocabulary.queries import SealedRun, Verification
from bus.wire.ids import is_placebo, verification_run_id


def judged_looks(state: Verification, plan: VerificationPlan) -> list[Post]:
    """Return what every look says that is complete and not judged, and the end of candidates that lost a run."""
    ended = ended_runs(state, plan)
    posts: list[Post] = []
    for climb in climbs(state, plan):
        if climb.stage != "running" or climb.judged is not None:
            continue
        if reason := _disqualified(plan, climb, ended):
            posts.append(Post(climb.candidate, _refuted(state, plan, climb, *reason)))
        elif all(run in ended for run in look_runs(climb.step, plan)):
            posts.append(_tuned(state, plan, climb, ended) if climb.step.tunes else _judged(state, plan, climb, ended))
    return posts


def _judged(state: Verification, plan: VerificationPlan, climb: Climb, ended: Mapping[str, SealedRun]) -> Post:
    """Return what a look says."""
    newest = max((look.seq for look in state.evidence if look.candidate == climb.candidate), default=0)
    return Post(climb.candidate, _evidence(state, plan, climb, ended), after=newest)


def _tuned(state: Verification, plan: VerificationPlan, climb: Climb, ended: Mapping[str, SealedRun]) -> Post:
    """Return the learning rates of a rung."""
    newest = max((one.seq for one in state.tuned if one.candidate == climb.candidate), default=0)
    return Post(climb.candidate, chosen_rates(state, plan, climb, ended), after=newest)


def _disqualified(
    plan: VerificationPlan, climb: Climb, ended: Mapping[str, SealedRun]
) -> tuple[Literal["run_failed", "parameters"], str] | None:
    """Return why a candidate's own runs rule its claim out, with the reason's code; None if they don't."""
    rung, name = plan.rungs[climb.step.rung], plan.rung_names[climb.step.rung]
    own = [run for run_id in candidate_runs(climb.step, plan) if (run := ended.get(run_id))]
    if has_lost(climb.step, plan, ended):
        lost = next(run for run in own if run.failure)
        which = "every run that tries a rate" if climb.step.tunes else f"its run {lost.run}"
        return "run_failed", f"{which} ended without a score ({lost.failure})"
    sizes = [run.parameters for run in own if run.parameters and not is_matched(run.parameters, rung.parameters)]
    if sizes and not climb.step.placebo_of:
        return "parameters", mismatch(sizes[0], rung.parameters, name)
    return None


def verdict(state: Verification, plan: VerificationPlan, candidate: str, newest: EvidenceReady) -> list[Post]:
    """Return the verdict that evidence in the log leads to, if it ends the climb."""
    if is_placebo(candidate):
        return []
    rungs = _rung_figures(state, candidate)
    if newest.outcome == "failed":
        refuted = DiscoveryRefuted(
            reason="evidence", rungs=rungs, margin=plan.margin, level=newest.level, why=newest.why
        )
        return [Post(candidate, refuted)]
    if newest.outcome == "passed" and newest.rung == len(plan.rungs) - 1:
        why = f"{newest.why}; every rung is passed"
        return [Post(candidate, DiscoveryConfirmed(rungs=rungs, margin=plan.margin, level=newest.level, why=why))]
    return []


def missing_verdicts(state: Verification, plan: VerificationPlan) -> list[Post]:
    """Return the verdicts that evidence in the log leads to and that nobody has given: a decision was given up."""
    return [
        post
        for climb in climbs(state, plan)
        if climb.stage == "running" and climb.judged is not None
        for post in verdict(state, plan, climb.candidate, climb.judged)
    ]


def _level(state: Verification, plan: VerificationPlan, climb: Climb) -> float:
    """Return the candidate's share of the campaign's error rate."""
    discoveries = sum(one.confirmed for one in state.verdicts if one.candidate != climb.candidate)
    return level(plan.alpha, candidates=plan.candidates, discoveries=discoveries)


def _evidence(
    state: Verification, plan: VerificationPlan, climb: Climb, ended: Mapping[str, SealedRun]
) -> EvidenceReady:
    """Return what the look of a climb says."""
    step, share = climb.step, _level(state, plan, climb)
    measured = [_rung_gains(plan, climb, rung, ended) for rung in range(step.rung + 1)]
    name = plan.rung_names[step.rung]
    weighed = {one.rung: one for one in judge(_claim_plan(plan), share, measured).rungs}.get(name)
    is_last_look = step.look == len(plan.rungs[step.rung].looks) - 1
    figures = RungFigures(
        rung=name,
        seeds=weighed.seeds if weighed else measured[-1].seeds,
        comparisons=tuple(map(_baseline_figures, weighed.comparisons, measured[-1].against)) if weighed else (),
    )
    if weighed and weighed.state == "passed":
        outcome = "passed"
    elif is_last_look or (weighed and weighed.state in {"futile", "not shown"}):
        outcome = "failed"
    else:
        outcome = "undecided"
    return EvidenceReady(
        rung=step.rung, look=step.look, figures=figures, level=share, outcome=outcome, why=_why(name, weighed, share)
    )


def _claim_plan(plan: VerificationPlan) -> ClaimPlan:
    rungs = zip(plan.rung_names, plan.rungs, strict=True)
    return ClaimPlan(
        rungs=tuple(RungPlan(name, plan.margin, rung.looks) for name, rung in rungs),
        alpha=plan.alpha,
        futility=plan.futility,
    )


def _rung_gains(plan: VerificationPlan, climb: Climb, rung: int, ended: Mapping[str, SealedRun]) -> RungGains:
    """Return the paired gains of a candidate at a rung, up to its look on the newest one."""
    candidate, baselines = climb.candidate, climb.step.baselines
    looks = plan.rungs[rung].looks
    most = looks[climb.step.look] if rung == climb.step.rung else looks[-1]
    rows: list[tuple[int, dict[str, SealedRun]]] = []
    for number in range(most):
        runs = {name: ended.get(verification_run_id(name, rung, number)) for name in (candidate, *baselines)}
        scored = {name: run for name, run in runs.items() if run is not None and run.loss is not None}
        if len(scored) == len(runs):
            rows.append((number, scored))
    return RungGains(
        rung=plan.rung_names[rung],
        seeds=tuple(number for number, _ in rows),
        against=tuple(_paired(candidate, baseline, [runs for _, runs in rows]) for baseline in baselines),
        final=rung == climb.step.rung and most == looks[-1],
    )


def _paired(candidate: str, baseline: str, rows: Sequence[Mapping[str, SealedRun]]) -> PairedGains:
    """Return the gains over a baseline: its loss less the candidate's, for each seed and each block of text."""
    blocks = [_difference(runs[baseline].blocks, runs[candidate].blocks) for runs in rows]
    comparable = all(len(row) == len(blocks[0]) >= 2 for row in blocks)
    gains = _difference([runs[baseline].loss or 0.0 for runs in rows], [runs[candidate].loss or 0.0 for runs in rows])
    return PairedGains(baseline, gains, tuple(blocks) if comparable else ())


def _difference(more: Sequence[float], less: Sequence[float]) -> tuple[float, ...]:
    """Return differences, none if the lengths differ."""
    return tuple(a - b for a, b in zip(more, less, strict=True)) if len(more) == len(less) else ()


def _baseline_figures(one: BaselineComparison, pair: PairedGains) -> BaselineFigures:
    documents = one.document_interval
    return BaselineFigures(
        baseline=one.baseline,
        gains=pair.gains,
        mean=one.mean,
        sd=one.sd,
        e_value=one.e_value,
        low=one.low,
        high=one.high,
        seed_interval=(one.seed_interval.low, one.seed_interval.high),
        document_interval=(documents.low, documents.high) if documents else None,
        smallest_gain=one.smallest_gain,
    )


def _why(rung: str, weighed: RungEvidence | None, share: float) -> str:
    """Return the reason in one sentence, by the baseline that is hardest to beat."""
    if weighed is None:
        return f"too few seeds at {rung} have the scores of all: a baseline lost its runs"
    hardest = weighed.hardest
    return (
        f"{hardest.mean:+.4f} nats per byte over {hardest.baseline} at {rung}, sd {hardest.sd:.4f}, "
        f"{len(weighed.seeds)} seeds, e-value {hardest.e_value:.3g} of {1 / share:.3g} needed"
    )


def _refuted(
    state: Verification, plan: VerificationPlan, climb: Climb, reason: Literal["run_failed", "parameters"], why: str
) -> DiscoveryRefuted:
    return DiscoveryRefuted(
        reason=reason,
        rungs=_rung_figures(state, climb.candidate),
        margin=plan.margin,
        level=_level(state, plan, climb),
        why=why,
    )


def _rung_figures(state: Verification, candidate: str) -> tuple[RungFigures, ...]:
    """Return the newest figures of every rung that was judged, from the lowest."""
    newest = {look.event.rung: look.event.figures for look in state.evidence if look.candidate == candidate}
    return tuple(figures for _, figures in sorted(newest.items()))
