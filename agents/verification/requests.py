"""The engineer's part: the requests for the runs of a promotion, and the repetition of a run that a machine ended.

A run is repeated at most `retries` times, and only for reasons that a busy machine can cause: with the same seed,
everything else would end the same way.
"""

from collections.abc import Mapping

from agents.verification.climbs import is_lost
from bus.delivery.role import Post, Subdecision
from bus.vocabulary.events import (
    PlannedRun,
    PromotionDecided,
    VerificationFailed,
    VerificationRequested,
)
from bus.vocabulary.queries import AskExperiments, AskVerification, Experiments, Verification
from bus.wire.envelope import Envelope
from bus.wire.ids import is_tuning_run


def requested_runs(envelope: Envelope, promotion: PromotionDecided) -> Subdecision[list[Post]]:
    """Return a request for every run that a promotion lists."""
    if not promotion.runs:
        return []
    state: Verification = yield AskVerification(campaign=envelope.campaign, at=envelope.seq)
    designs = [design_of(planned.experiment, promotion) for planned in promotion.runs]
    sources = yield from _sources(envelope, *designs)
    return [
        _request(state, planned, promotion.rung, sources[design])
        for planned, design in zip(promotion.runs, designs, strict=True)
    ]


def design_of(experiment: str, promotion: PromotionDecided) -> str:
    """Return the experiment whose source an experiment's runs have: a placebo's is that of its baseline."""
    return promotion.placebo_of if experiment == promotion.candidate and promotion.placebo_of else experiment


def repeated_run(envelope: Envelope, failed: VerificationFailed) -> Subdecision[list[Post]]:
    """Return the request that repeats a run; nothing if it is lost."""
    state: Verification = yield AskVerification(campaign=envelope.campaign, at=envelope.seq)
    planned = [(one, step.event) for step in state.promotions for one in step.event.runs if one.run == failed.run]
    plan = state.started.verification if state.started else None
    if not (plan and planned) or is_lost(failed.reason, failed.repetition, plan):
        return []
    run, promotion = planned[0]
    design = design_of(run.experiment, promotion)
    sources = yield from _sources(envelope, design)
    return [_request(state, run, promotion.rung, sources[design], failed.repetition + 1)]


def lost_runs(experiment: str, cause: PromotionDecided | VerificationFailed, message: str) -> list[Post]:
    """Return the failures of the runs that can't be asked for: those of a promotion, or the repetition of one."""
    if isinstance(cause, VerificationFailed):
        return [Post(experiment, _failure(cause.run, message, cause.repetition + 1))]
    return [Post(planned.experiment, _failure(planned.run, message, 0)) for planned in cause.runs]


def _failure(run: str, message: str, repetition: int) -> VerificationFailed:
    return VerificationFailed(
        run=run, worker="", repetition=repetition, stage="static", reason="engineer", message=message
    )


def _sources(envelope: Envelope, *ids: str) -> Subdecision[Mapping[str, str]]:
    """Return the sources of experiments."""
    wanted = tuple(dict.fromkeys(ids))
    reply: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=wanted)
    return {row.id: row.source for row in reply.rows}


def _request(state: Verification, planned: PlannedRun, rung: int, source: str, repetition: int = 0) -> Post:
    started = state.started
    assert started is not None, "a campaign has started"
    assert started.verification is not None, "this campaign verifies nothing"
    request = VerificationRequested(
        run=planned.run,
        repetition=repetition,
        source=source,
        scale=started.verification.rungs[rung].scale,
        seed=planned.seed,
        limits=started.verification.rungs[rung].limits,
        data=started.data,
        sandbox=started.sandbox,
        rate=planned.rate,
        sealed=not is_tuning_run(planned.run),
    )
    return Post(planned.experiment, request)
