"""A trainer that answers at once, for measuring the orchestrator: `python -m benchmarks.instant_trainer trainer 1`.

Served as `memory`, it is one that compares texts by the words they share: the sentence model costs more than the rest.
The trainer trains nothing. Its scores are functions of the source's hash, so that campaigns of one seed repeat; it is
served by benchmarks and tests alone, never by the lab. MOVE37_INSTANT_SECONDS makes every run last that long,
MOVE37_INSTANT_AT_ONCE says how many a process has under way.
"""

import asyncio
import os
import sys
from typing import ClassVar

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.role import Decision, Post
from bus.vocabulary.events import CurvePoint, Event, Record, RunCompleted, RunRequested, RunStarted
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from bus.wire.ids import source_hash
from lab.runtime import roles, service
from lab.settings import Settings

WIDTH, PARAMETERS, STEPS, TOKENS = 32, 34_000, 100, 50_000


class Pause(Question):
    """Wait as long as a run is to last."""

    Reply: ClassVar[type[Record]] = Record


class InstantTrainer:
    """Decides upon RunRequested without a run."""

    name: ClassVar[str] = "trainer"
    handles: ClassVar[tuple[type[Event], ...]] = (RunRequested,)

    def decide(self, envelope: Envelope) -> Decision:
        """Say that the run started and completed."""
        request = envelope.event
        assert isinstance(request, RunRequested)
        started = RunStarted(run=request.run, worker="instant", width=WIDTH, parameters=PARAMETERS, gates=())
        yield Post(envelope.experiment, started)
        yield Pause()
        return [Post(envelope.experiment, completed(request))]


def completed(request: RunRequested) -> RunCompleted:
    """Return scores drawn from the source's hash."""
    digest = bytes.fromhex(source_hash(request.source))
    spread, recall, size = (int.from_bytes(digest[at : at + 4]) / 2**32 for at in (0, 4, 8))
    loss = 1.5 + 0.15 * spread  # no two lie so far apart that one is too good to count at once
    return RunCompleted(
        run=request.run,
        worker="instant",
        width=WIDTH,
        parameters=PARAMETERS + int(1000 * size),
        steps=STEPS,
        tokens=TOKENS,
        seconds=0.01,
        step_seconds=0.0001,
        flops_per_token=60_000 * (1 + size),
        val_loss=loss,
        bits_per_byte=loss / 0.6931471805599453,
        recall=recall,
        recall_stderr=0.01,
        weights="",
        weights_sha256=digest.hex(),
        curve=(CurvePoint(task="text", step=STEPS, loss=loss),),
    )


async def _trainer(bus: Bus, _: Settings) -> None:
    """Serve the instant trainer."""

    async def pause(_: Envelope, __: Pause) -> Record:
        await asyncio.sleep(float(os.environ.get("MOVE37_INSTANT_SECONDS", "0")))
        return Record()

    await Actor(
        bus, InstantTrainer(), {Pause: pause}, concurrency=int(os.environ.get("MOVE37_INSTANT_AT_ONCE", "4"))
    ).run()


async def _memory(bus: Bus, settings: Settings) -> None:
    """Serve a memory without the sentence model."""
    from memory.retrieval.embedding import HashEmbedder

    await roles.memory(bus, settings, HashEmbedder())


if __name__ == "__main__":
    roles.BUILD = {"trainer": _trainer, "memory": _memory}
    assert sys.argv[1] in roles.BUILD
    service.main()
