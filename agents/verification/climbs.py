"""The climbs of a campaign as the log shows them: where each candidate stands on the ladder.

A climb ends with a verdict, or without one: a person vetoed the candidate, or it passed a rung and the next one has no
place left. Then nothing is claimed of it. A placebo, a baseline under another name, climbs as a candidate does: it
needs no place, and its evidence ends its climb, since nobody claims anything of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from agents.repair.attempt import is_transient
from bus.vocabulary.events import VETOED, EvidenceReady, PromotionDecided, RatesChosen, VerificationPlan
from bus.vocabulary.queries import SealedRun, Verification
from bus.wire.ids import tuning_run_id, verification_run_id

Stage = Literal[
    "running", "needs seeds", "needs a look", "needs a rung", "confirmed", "refuted", "vetoed", "no place left",
    "placebo passed", "placebo failed",
]  # fmt: skip
OPEN_STAGES: frozenset[Stage] = frozenset({"running", "needs seeds", "needs a look", "needs a rung"})


@dataclass(frozen=True, slots=True)
class Climb:
    """One candidate on the ladder."""

    candidate: str
    step: PromotionDecided
    """Its newest promotion."""
    judged: EvidenceReady | None
    """What the look of that promotion said; None before, and of a step that tries learning rates."""
    stage: Stage

    @property
    def is_open(self) -> bool:
        """Whether something may still follow."""
        return self.stage in OPEN_STAGES


def climbs(state: Verification, plan: VerificationPlan) -> tuple[Climb, ...]:
    """Return every climb, in the order in which they began."""
    newest: dict[str, PromotionDecided] = {}
    for promotion in state.promotions:
        if promotion.event.candidate is not None:
            newest[promotion.event.candidate] = promotion.event
    return tuple(_climb(state, plan, candidate, step) for candidate, step in newest.items())


def on_rung(state: Verification, rung: int) -> frozenset[str]:
    """Return the candidates that have been taken to a rung, placebos left out."""
    steps = (promotion.event for promotion in state.promotions if not promotion.event.placebo_of)
    return frozenset(step.candidate for step in steps if step.candidate is not None and step.rung == rung)


def candidate_runs(step: PromotionDecided, plan: VerificationPlan) -> Iterator[str]:
    """Yield the ids of the candidate's own runs up to the look of a promotion."""
    assert step.candidate is not None, "nobody climbs at this place"
    return _runs_of(step.candidate, step, plan)


def look_runs(step: PromotionDecided, plan: VerificationPlan) -> Iterator[str]:
    """Yield the ids of all runs that the step of a promotion rests on: the candidate's and the baselines'."""
    yield from candidate_runs(step, plan)
    for baseline in step.baselines:
        yield from _runs_of(baseline, step, plan)


def ended_runs(state: Verification, plan: VerificationPlan) -> Mapping[str, SealedRun]:
    """Return the runs that need no more work, by id: they have a score, or they failed for good."""
    return {run.run: run for run in state.runs if not run.failure or is_lost(run.failure, run.repetition, plan)}


def rates_of(state: Verification, candidate: str, rung: int) -> RatesChosen | None:
    """Return the learning rates that were chosen for a candidate on a rung; None if they are not."""
    return next((one.event for one in state.tuned if (one.candidate, one.event.rung) == (candidate, rung)), None)


def steps_of(step: PromotionDecided, plan: VerificationPlan) -> int:
    """Return how many runs a promotion's step has of each climber: one for each seed, or for each rate."""
    return len(plan.rates) if step.tunes else plan.rungs[step.rung].looks[step.look]


def seeds_done(state: Verification, plan: VerificationPlan, step: PromotionDecided) -> int:
    """Return on how many seeds, or rates, every run of a promotion's step has ended: candidate's and baselines'."""
    ended = ended_runs(state, plan)
    per_experiment = (tuple(_runs_of(name, step, plan)) for name in (step.candidate or "", *step.baselines))
    return sum(all(run in ended for run in runs) for runs in zip(*per_experiment, strict=True))


def has_lost(step: PromotionDecided, plan: VerificationPlan, ended: Mapping[str, SealedRun]) -> bool:
    """Tell whether a candidate has lost its step: one of its runs on sealed text, or each that tries a rate."""
    failed = [bool(run.failure) if (run := ended.get(name)) else False for name in candidate_runs(step, plan)]
    return all(failed) if step.tunes else any(failed)


def is_lost(reason: str, repetition: int, plan: VerificationPlan) -> bool:
    """Tell whether a run that ended without a score is not repeated: with the same seed it would end the same way."""
    return repetition >= plan.retries or not is_transient(reason)


def _climb(state: Verification, plan: VerificationPlan, candidate: str, step: PromotionDecided) -> Climb:
    judged = next(
        (
            look.event
            for look in state.evidence
            if (look.candidate, look.event.rung, look.event.look) == (candidate, step.rung, step.look)
        ),
        None,
    )
    if step.placebo_of:
        return Climb(candidate, step, judged, _placebo_stage(state, plan, step, judged))
    return Climb(candidate, step, judged, _stage(state, plan, candidate, step, judged))


def _stage(
    state: Verification, plan: VerificationPlan, candidate: str, step: PromotionDecided, judged: EvidenceReady | None
) -> Stage:
    verdict = next((one for one in state.verdicts if one.candidate == candidate), None)
    if verdict:
        return "confirmed" if verdict.confirmed else "refuted"
    if _was_stopped(state, plan, step):
        return "vetoed"
    if step.tunes:
        return _tuning_stage(state, candidate, step)
    return _judged_stage(state, plan, candidate, step, judged)


def _judged_stage(
    state: Verification, plan: VerificationPlan, candidate: str, step: PromotionDecided, judged: EvidenceReady | None
) -> Stage:
    """Return where a climb stands whose look has been judged, or waits for it."""
    is_last = step.rung == len(plan.rungs) - 1
    if judged is None or judged.outcome == "failed" or (judged.outcome == "passed" and is_last):
        return "running"  # a verdict follows such evidence
    if candidate in state.vetoed:
        return "vetoed"
    if judged.outcome == "undecided":
        return "needs a look"
    full = len(on_rung(state, step.rung + 1)) >= plan.rungs[step.rung + 1].climbers
    return "no place left" if full else "needs a rung"


def _placebo_stage(
    state: Verification, plan: VerificationPlan, step: PromotionDecided, judged: EvidenceReady | None
) -> Stage:
    """Return where a placebo stands; like a candidate, it fails if it loses a run."""
    if has_lost(step, plan, ended_runs(state, plan)):
        return "placebo failed"
    if step.tunes:
        return _tuning_stage(state, step.candidate or "", step)
    if judged is None:
        return "running"
    if judged.outcome == "undecided":
        return "needs a look"
    if judged.outcome == "failed":
        return "placebo failed"
    return "placebo passed" if step.rung == len(plan.rungs) - 1 else "needs a rung"


def _tuning_stage(state: Verification, candidate: str, step: PromotionDecided) -> Stage:
    """Return where a climb stands whose rung has tried learning rates, or tries them."""
    if rates_of(state, candidate, step.rung) is None:
        return "running"
    return "vetoed" if candidate in state.vetoed else "needs seeds"


def _was_stopped(state: Verification, plan: VerificationPlan, step: PromotionDecided) -> bool:
    """Tell whether a veto has cost the candidate one of its runs."""
    own = set(candidate_runs(step, plan))
    return any(run.failure == VETOED for run in state.runs if run.run in own)


def _runs_of(experiment: str, step: PromotionDecided, plan: VerificationPlan) -> Iterator[str]:
    name = tuning_run_id if step.tunes else verification_run_id
    return (name(experiment, step.rung, number) for number in range(steps_of(step, plan)))
