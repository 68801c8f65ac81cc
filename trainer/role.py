"""The trainer: takes a requested run through gates, training and scoring, and publishes how it ended."""

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.gate_checks import serve_gates
from bus.delivery.query_replies import QueryRefused
from bus.delivery.role import Decision, Post, Subdecision
from bus.delivery.role_spec import RoleSpec, ServiceContext
from bus.delivery.transport import TransportError
from bus.vocabulary.events import (
    CampaignStarted,
    LossPoint,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    VerificationCompleted,
    VerificationFailed,
    VerificationRequested,
)
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiments
from bus.wire.envelope import Envelope
from trainer.kept_weights import ARTIFACTS_FOLDER, find_weights
from trainer.run.questions import Prepare, Prepared, Train, Trained
from trainer.run.sealed_run import sealed_failure, sealed_result

VETO_TIMEOUT_S = 2.0
"""How long one question waits that asks whether a run is still wanted; the run goes on meanwhile, and asks again."""


class TrainerRole:
    """Decides on requests for runs. It decides little: the work and the clock are at the edge (`trainer.service`)."""

    def decide(self, envelope: Envelope) -> Decision:
        """Publish RunStarted once the gates hold, and at the end RunCompleted, or RunFailed after any RunAnomaly."""
        request = envelope.event
        if isinstance(request, VerificationRequested):
            return (yield from _verification(envelope, request))
        assert isinstance(request, RunRequested)
        prepared: Prepared = yield Prepare(run=request.run)
        if prepared.started is None:
            assert prepared.failed is not None
            return [Post(envelope.experiment, prepared.failed)]
        yield Post(envelope.experiment, prepared.started)
        trained: Trained = yield Train(run=request.run)
        events = (trained.anomaly, trained.completed, trained.failed)
        return [Post(envelope.experiment, event) for event in events if event is not None]

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Fail a run whose request could not be completed, so that its experiment goes on."""
        request = envelope.event
        if isinstance(request, VerificationRequested):
            return [Post(envelope.experiment, sealed_failure(request, "train", "trainer_fault", reason))]
        assert isinstance(request, RunRequested)
        failure = RunFailed(
            run=request.run, worker="", attempt=request.attempt, stage="train", reason="trainer_fault", message=reason
        )
        return [Post(envelope.experiment, failure)]


def _verification(envelope: Envelope, request: VerificationRequested) -> Subdecision[list[Post]]:
    """Return the end of a run on sealed text, its only event."""
    prepared: Prepared = yield Prepare(run=request.run)
    trained = Trained(failed=prepared.failed)
    if prepared.started:
        trained = yield Train(run=request.run)
    return [Post(envelope.experiment, sealed_result(request, trained))]


async def serve(context: ServiceContext) -> None:
    """Train requested runs, one at a time, and put sources through the gates for roles that ask."""
    from trainer.gate_checks import GateChecks
    from trainer.service import answerers

    bus = context.bus

    async def publish(envelope: Envelope, post: Post, ordinal: str) -> None:
        await bus.publish(post, envelope.campaign, envelope, ordinal)

    async def vetoed(envelope: Envelope) -> bool:
        return await is_vetoed(bus, envelope)

    async def campaign_named(campaign: str) -> CampaignStarted | None:
        status = await bus.ask(AskCampaignStatus(campaign=campaign))
        assert isinstance(status, CampaignStatus)
        return status.started

    with (
        GateChecks(campaign_named, context.instance) as checks,
        answerers(context.home / ARTIFACTS_FOLDER, publish, vetoed, context.instance) as answering,
    ):
        await serve_gates(bus, checks.check)
        await Actor(bus, SPEC, answerers=answering).run()


async def is_vetoed(bus: Bus, envelope: Envelope) -> bool:
    """Tell whether a person has vetoed an event's experiment; False if memory does not answer soon."""
    query = AskExperiments(campaign=envelope.campaign, ids=(envelope.experiment,))
    try:
        experiments = await bus.ask(query, VETO_TIMEOUT_S)
    except (TransportError, QueryRefused):
        return False
    assert isinstance(experiments, Experiments)
    return any(row.vetoed for row in experiments.rows)


SPEC = RoleSpec(
    name="trainer",
    summary="trains and scores requested runs in the sandbox",
    subscribes=(RunRequested, VerificationRequested),
    publishes=(
        RunStarted,
        RunAnomaly,
        RunCompleted,
        RunFailed,
        LossPoint,
        VerificationCompleted,
        VerificationFailed,
    ),
    ends_with=(RunCompleted, RunFailed, VerificationCompleted, VerificationFailed),
    asks=True,
    runs_gates=True,
    finds_file=find_weights,
    build=TrainerRole,
    serve=serve,
)
