"""Runs of a climb: the path of any other run, with another request and another end in the log."""

from bus.vocabulary.events import (
    RunRequested,
    Stage,
    VerificationCompleted,
    VerificationFailed,
    VerificationRequested,
)
from trainer.run.questions import Trained


def as_run(request: VerificationRequested) -> RunRequested:
    """Return the request in the form of any other run; text and learning rates may differ from a screening's."""
    return RunRequested(
        run=request.run,
        attempt=0,
        source=request.source,
        scale=request.scale,
        seed=request.seed,
        limits=request.limits,
        data=request.data,
        sandbox=request.sandbox,
    )


def sealed_result(request: VerificationRequested, trained: Trained) -> VerificationCompleted | VerificationFailed:
    """Return how a run on sealed text ended; an anomaly is the reason of its failure."""
    if trained.completed is None:
        failed = trained.failed
        assert failed is not None, "a run that did not complete has failed"
        unscored = sealed_failure(request, failed.stage, failed.reason, failed.message, failed.worker)
        return unscored.model_copy(update={"seconds": failed.seconds})
    completed = trained.completed
    return VerificationCompleted(
        run=completed.run,
        worker=completed.worker,
        metrics=completed.metrics,
        blocks=trained.blocks,
        weights_sha256=completed.weights_sha256,
    )


def sealed_failure(
    request: VerificationRequested, stage: Stage, reason: str, message: str, worker: str = ""
) -> VerificationFailed:
    """Return the end of a run on sealed text without a score."""
    return VerificationFailed(
        run=request.run, worker=worker, repetition=request.repetition, stage=stage, reason=reason, message=message
    )
