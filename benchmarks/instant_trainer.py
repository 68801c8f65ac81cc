"""A trainer without training, to measure the orchestrator: `python -m benchmarks.instant_trainer trainer 1`.

With `memory` instead of `trainer`, the module serves a memory without the sentence model, the most expensive part.
The trainer's scores are functions of the source's hash, so campaigns of one seed have the same events. Only benchmarks
and tests serve it. INSTANT_SECONDS is the duration of every run, INSTANT_AT_ONCE the number of runs that
a process has under way at a time.
"""

import asyncio
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import memory.role
import trainer.role
from bus.delivery.actor import Actor
from bus.delivery.role import Decision, Post
from bus.delivery.role_spec import RoleSpec, ServiceContext
from bus.vocabulary.events import (
    CurvePoint,
    Measure,
    Metrics,
    Record,
    RunCompleted,
    RunRequested,
    RunStarted,
    TaskMetrics,
    VerificationRequested,
)
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from bus.wire.ids import source_hash
from lab.roster import role_spec
from lab.runtime import service
from trainer.run.questions import Trained
from trainer.run.sealed_run import as_run, sealed_result

WIDTH, PARAMETERS, STEPS, TOKENS = 32, 34_000, 100, 50_000


class Pause(Question):
    """Wait for the duration of a run."""

    Reply: ClassVar[type[Record]] = Record


class InstantTrainer:
    """Decides on requests without a run."""

    def decide(self, envelope: Envelope) -> Decision:
        """Publish that the run started and completed."""
        request = envelope.event
        if isinstance(request, VerificationRequested):
            yield Pause()
            result = Trained(completed=completed(as_run(request)))
            return [Post(envelope.experiment, sealed_result(request, result))]
        assert isinstance(request, RunRequested)
        started = RunStarted(run=request.run, worker="instant", width=WIDTH, parameters=PARAMETERS, gates=())
        yield Post(envelope.experiment, started)
        yield Pause()
        return [Post(envelope.experiment, completed(request))]


def completed(request: RunRequested) -> RunCompleted:
    """Return a completed run with scores drawn from the source's hash."""
    digest = bytes.fromhex(source_hash(request.source))
    spread, recall, size = (int.from_bytes(digest[start : start + 4]) / 2**32 for start in (0, 4, 8))
    loss = 1.5 + 0.15 * spread  # a range so narrow that no score is quarantined
    return RunCompleted(
        run=request.run,
        worker="instant",
        metrics=metrics(loss, recall, size),
        weights="",
        weights_sha256=digest.hex(),
    )


def metrics(loss: float, recall: float, size: float) -> Metrics:
    """Return a run's figures: `loss` in nats per byte, `recall` and `size` between 0 and 1."""
    text = {"nats_per_byte": Measure(value=loss), "bits_per_byte": Measure(value=loss / math.log(2))}
    return Metrics(
        tasks={
            "mqar": TaskMetrics(kind="mqar", measures={"accuracy": Measure(value=recall, stderr=0.01)}),
            "text": TaskMetrics(kind="text", measures=text),
        },
        text_task="text",
        recall_task="mqar",
        size={"parameters": PARAMETERS + int(1000 * size), "width": WIDTH},
        cost={
            "seconds": 0.01, "step_seconds": 0.0001, "flops_per_token": 60_000 * (1 + size),
            "steps": float(STEPS), "tokens": float(TOKENS),
        },
        curve=(CurvePoint(task="text", step=STEPS, loss=loss),),
    )  # fmt: skip


async def serve_trainer(context: ServiceContext) -> None:
    """Serve the instant trainer."""

    async def pause(_: Envelope, __: Pause) -> Record:
        await asyncio.sleep(float(os.environ.get("INSTANT_SECONDS", "0")))
        return Record()

    concurrency = int(os.environ.get("INSTANT_AT_ONCE", "4"))
    await Actor(context.bus, TRAINER, answerers={Pause: pause}, concurrency=concurrency).run()


async def serve_memory(context: ServiceContext) -> None:
    """Serve a memory without the sentence model."""
    from memory.retrieval.embedding import HashEmbedder

    await memory.role.serve_memory(context.bus, context.home, HashEmbedder())


TRAINER = replace(trainer.role.SPEC, build=InstantTrainer, serve=serve_trainer)
MEMORY = replace(memory.role.SPEC, serve=serve_memory)
INSTANT: Mapping[str, RoleSpec] = {"trainer": TRAINER, "memory": MEMORY}
"""Role → the declaration that replaces it."""


if __name__ == "__main__":
    service.main(lambda name: INSTANT.get(name) or role_spec(name))
