"""The trainer: takes a requested run through gates, training and scoring, and publishes its outcome."""

from typing import ClassVar

from bus.delivery.role import Decision, Post
from bus.vocabulary.events import Event, RunFailed, RunRequested
from bus.wire.envelope import Envelope
from trainer.run.questions import Prepare, Prepared, Train, Trained


class TrainerRole:
    """Handles RunRequested. It decides little: the work and the clock are in `trainer.service`."""

    name: ClassVar[str] = "trainer"
    handles: ClassVar[tuple[type[Event], ...]] = (RunRequested,)

    def decide(self, envelope: Envelope) -> Decision:
        """Publish RunStarted once the gates pass, and at the end RunCompleted, or RunFailed after any RunAnomaly."""
        request = envelope.event
        assert isinstance(request, RunRequested)
        prepared: Prepared = yield Prepare(run=request.run)
        if prepared.started is None:
            assert prepared.failed is not None
            return [Post(envelope.experiment, prepared.failed)]
        yield Post(envelope.experiment, prepared.started)
        trained: Trained = yield Train(run=request.run)
        ending = (trained.anomaly, trained.completed, trained.failed)
        return [Post(envelope.experiment, event) for event in ending if event is not None]

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Fail a run that the trainer could not finish, so that its experiment can continue."""
        request = envelope.event
        assert isinstance(request, RunRequested)
        failed = RunFailed(
            run=request.run, worker="", attempt=request.attempt, stage="train", reason="trainer_fault", message=reason
        )
        return [Post(envelope.experiment, failed)]
