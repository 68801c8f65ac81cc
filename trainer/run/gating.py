"""The gates of one candidate, as the parent sees them: a train worker builds it in the jail and reports findings."""

from typing import NamedTuple

from bus.vocabulary.events import GateResult
from sandbox import JailFault
from trainer.run import weights
from trainer.run.events import RunEvents
from trainer.run.job import Job
from trainer.run.protocol import Ready, Rejected
from trainer.run.questions import Prepared
from trainer.run.worker import Worker


class Gated(NamedTuple):
    """What came of a candidate at the gates."""

    prepared: Prepared
    """Whether training may begin."""
    ready: Ready | None = None
    """The worker's report on a candidate that may train."""


def put_through_gates(worker: Worker, job: Job, events: RunEvents) -> Gated:
    """Send a job to a fresh train worker, and return what the gates found."""
    try:
        worker.send_job(job.for_training())
        verdict = worker.receive_verdict(job.scale)
        gates = [GateResult(gate=f.gate, passed=f.passed, evidence=f.evidence) for f in verdict.gates]
        if isinstance(verdict, Rejected):
            return Gated(Prepared(failed=events.gate_failure(gates, verdict.reason)))
        width = verdict.width
        weights.check_parameters(verdict.weights, job.scale, width.parameters)
    except JailFault as fault:
        return Gated(Prepared(failed=events.run_failed("gate", fault.reason, fault.message, fault.tail)))
    return Gated(Prepared(started=events.run_started(width.d_model, width.parameters, gates)), verdict)
