"""The lab's services for fault campaigns: all as they are, save for a trainer and an embedder that answer at once.

`python -m tests.chaos.service ROLE INSTANCE`. What is under fire is the chain of durable messages; training and loading
a sentence model would only make it slower to kill. One source in six fails its gates, so that repairs and given-up
experiments are under fire too; no baseline does.
"""

import random
import zlib
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from bus.actor import Actor, Answerer
from bus.bus import Bus
from bus.envelope import Envelope
from bus.events import RunCompleted, RunFailed, RunRequested, RunStarted
from bus.ids import BASELINE_PREFIX, derive
from bus.role import Question
from lab import roles, service
from lab.settings import Settings
from memory.embedding import DIMENSIONS, Vectors32
from trainer.questions import Prepare, Prepared, Train, Trained
from trainer.role import TrainerRole

WORKER = "instant"
"""Named alike in every process, so that a log does not depend on which of them was killed."""


class CountedWords:
    """Embeds a text as its counted words: deterministic, and there at once."""

    name = "counted-words"

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Return the vectors as a future that is done."""
        future: Future[Vectors32] = Future()
        future.set_result(self.encode(texts))
        return future

    def encode(self, texts: Sequence[str]) -> Vectors32:
        """Return unit vectors, float32 [n, 384]."""
        counts = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in zip(counts, texts, strict=True):
            for word in (text.lower() or "-").split():
                row[zlib.crc32(word.encode()) % DIMENSIONS] += 1.0
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-6)


async def memory(bus: Bus, settings: Settings) -> None:
    """Serve memory as it is, without the wait for the sentence model."""
    await roles.memory(bus, settings, CountedWords())


async def trainer(bus: Bus, _: Settings) -> None:
    """Serve the trainer role, whose questions are answered below."""
    answerers: dict[type[Question], Answerer] = {Prepare: prepare, Train: train}
    await Actor(bus, TrainerRole(), answerers).run()


async def prepare(said: Envelope, _: Question) -> Prepared:
    """Let five sources in six through the gates."""
    asked, draw = _request(said)
    if draw.random() < 1 / 6 and not said.experiment.startswith(BASELINE_PREFIX):
        failed = RunFailed(run=asked.run, worker=WORKER, attempt=asked.attempt, stage="gate", reason="causality",
                           message="output at 3 depends on input at 7")  # fmt: skip
        return Prepared(failed=failed)
    return Prepared(started=RunStarted(run=asked.run, worker=WORKER, width=64, parameters=100_000, gates=()))


async def train(said: Envelope, _: Question) -> Trained:
    """Score by chance, the same for the same source."""
    asked, draw = _request(said)
    loss = 1.2 + draw.random()
    scored = RunCompleted(
        run=asked.run, worker=WORKER, width=64, parameters=100_000, steps=10, tokens=1000, seconds=1.0,
        step_seconds=0.01, flops_per_token=2e5, val_loss=loss, bits_per_byte=loss / 0.6931471805599453,
        recall=draw.random(), recall_stderr=0.01, weights="none", weights_sha256="0" * 64, curve=(),
    )  # fmt: skip
    return Trained(completed=scored)


def _request(said: Envelope) -> tuple[RunRequested, random.Random]:
    """Return the request and the dice of its source and seed."""
    asked = said.event
    assert isinstance(asked, RunRequested)
    return asked, random.Random(derive(asked.source, asked.seed))


if __name__ == "__main__":
    roles.BUILD = {**roles.BUILD, "memory": memory, "trainer": trainer}
    service.main()
