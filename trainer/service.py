"""The trainer's edge: answers the role's questions by running trials in a thread, and tells of their losses.

    with service.answerers(home / "artifacts", publish, vetoed, worker="1") as answering:
        await Actor(bus, TrainerRole(), answering).run()

A trial that is cancelled (the service ends, the decision is dropped) takes its sandbox with it; the request comes again
from the log and goes on from its checkpoint, or starts anew, with the same seed and so with the same outcome. An
experiment that a person vetoes is stopped the same way, and its run fails.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bus.delivery.role import Post
from bus.vocabulary.events import VETOED, LossPoint, Record, RunFailed, RunRequested, Stage
from bus.wire.envelope import Envelope
from sandbox import Device, Jail, Sandbox
from trainer import scales
from trainer.run import checkpoint
from trainer.run.jail import training_jail
from trainer.run.questions import Prepare, Prepared, Train, Trained
from trainer.run.training_run import TrainingRun
from trainer.tasks.corpus import load_corpus

Publish = Callable[[Envelope, Post, str], Awaitable[None]]
"""(the request's envelope, a reading as a post, an ordinal unique within the run)."""
Vetoed = Callable[[Envelope], Awaitable[bool]]
"""Says whether a person has vetoed the experiment of a request. It raises nothing: who can't know says no."""
Answer = Callable[[Envelope, Any], Awaitable[Record]]
T = TypeVar("T")
READING_INTERVAL_S = 0.1
"""Seconds between published readings of a task; what comes faster is left out."""
VETO_INTERVAL_S = 2.0
"""How often a run asks whether it is still wanted."""

log = structlog.get_logger()


class TrainerService:
    """Runs trials for one trainer process."""

    def __init__(self, artifacts: Path, publish: Publish, vetoed: Vetoed, worker: str, scratch: Path) -> None:
        """Weights go to `artifacts/<experiment>/<run>.safetensors`; `scratch` serves runs without containment."""
        self._artifacts, self._publish, self._worker, self._scratch = artifacts, publish, worker, scratch
        self._vetoed = vetoed
        self._jail: Jail | None = None
        self._trial: TrainingRun | None = None

    async def prepare(self, envelope: Envelope, question: Prepare) -> Prepared:
        """Open a trial and put its architecture through the gates. Raises SandboxUnavailable."""
        assert question.run == _request(envelope).run
        self._drop()
        try:
            self._trial = await asyncio.to_thread(self._open, _request(envelope))
        except ValueError as error:
            return Prepared(failed=self._refused(_request(envelope), "train", "bad_request", str(error)))
        return await self._through(envelope, self._trial.prepare) or Prepared(failed=self._unwanted(envelope, "gate"))

    async def train(self, envelope: Envelope, question: Train) -> Trained:
        """Train and score what was prepared."""
        trial = self._trial
        assert trial is not None, "Train is asked after Prepare"
        assert trial.request.run == question.run
        readings: asyncio.Queue[LossPoint | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        telling = asyncio.create_task(self._tell(envelope, readings))
        artifact = self._artifacts / envelope.experiment / f"{question.run}.safetensors"

        def on_point(point: LossPoint) -> None:
            loop.call_soon_threadsafe(readings.put_nowait, point)

        try:
            trained = await self._through(envelope, lambda: trial.train(on_point, artifact))
            checkpoint.delete_checkpoint(artifact)  # not where this service is ended: the run goes on from there
            return trained or Trained(failed=self._unwanted(envelope, "train"))
        finally:
            readings.put_nowait(None)
            await telling
            self._drop()

    def close(self) -> None:
        """End what runs."""
        self._drop()
        if self._jail is not None:
            self._jail.close()

    def start_jail(self, sandbox: Sandbox = "bwrap") -> None:
        """Have the jail started before the first request comes."""
        self._jail_of(sandbox).prepare()

    def _open(self, request: RunRequested) -> TrainingRun:
        """Return a trial of the request. Raises ValueError for a scale or a text that isn't there."""
        scale = scales.load(request.scale)
        corpus = load_corpus(request.data, *scale.languages.values())
        return TrainingRun(request, scale, corpus, self._jail_of(request.sandbox, scale.device), worker=self._worker)

    def _jail_of(self, sandbox: Sandbox, device: Device = "cpu") -> Jail:
        """Return the jail for a kind of containment and a device; a campaign has one of each."""
        if self._jail is None or (self._jail.sandbox, self._jail.device) != (sandbox, device):
            if self._jail is not None:
                self._jail.close()
            self._jail = training_jail(sandbox, self._scratch, device=device)
        return self._jail

    async def _through(self, envelope: Envelope, work: Callable[[], T]) -> T | None:
        """Do work in a thread and return what it gives; None where a person vetoed the experiment meanwhile.

        Then, and when cancelled, kill the sandbox, which ends the work, and wait for that.
        """
        running = asyncio.ensure_future(asyncio.to_thread(work))
        veto = asyncio.create_task(self._veto(envelope))
        try:
            await asyncio.wait([running, veto], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
            await self._kill(running)
        except asyncio.CancelledError:
            await self._kill(running)
            raise
        finally:
            veto.cancel()

    async def _veto(self, envelope: Envelope) -> None:
        """Return when a person has vetoed the experiment; the work never waits for the answer."""
        while not await self._vetoed(envelope):
            await asyncio.sleep(VETO_INTERVAL_S)

    async def _kill(self, running: asyncio.Future[Any]) -> None:
        """End the work by ending its sandbox."""
        if self._jail is not None:
            self._jail.close()
        await asyncio.wait([running])
        self._drop()

    async def _tell(self, envelope: Envelope, readings: asyncio.Queue[LossPoint | None]) -> None:
        """Publish readings as they come; a stream that takes none costs the run nothing."""
        last: dict[str, float] = {}
        while point := await readings.get():
            now = asyncio.get_running_loop().time()
            if now - last.get(point.task, 0.0) < READING_INTERVAL_S:
                continue
            last[point.task] = now
            try:
                await self._publish(envelope, Post(envelope.experiment, point), f"{point.task}-{point.step}")
            except Exception as error:  # noqa: BLE001 (readings are for watching only)
                log.warning("a reading was not published", run=point.run, reason=str(error))

    def _drop(self) -> None:
        """Close the open trial, if there is one."""
        if self._trial is not None:
            self._trial.close()
            self._trial = None

    def _refused(self, request: RunRequested, stage: Stage, reason: str, why: str) -> RunFailed:
        """Say that the request can't or shall not be met: no fault of the architecture."""
        return RunFailed(
            run=request.run, worker=self._worker, attempt=request.attempt, stage=stage, reason=reason, message=why
        )

    def _unwanted(self, envelope: Envelope, stage: Stage) -> RunFailed:
        """Say that a person stopped the run."""
        return self._refused(
            _request(envelope), stage, VETOED, f"a person vetoed {envelope.experiment}; its run was stopped"
        )


def _request(envelope: Envelope) -> RunRequested:
    """Return the request that is decided upon."""
    assert isinstance(envelope.event, RunRequested)
    return envelope.event


@contextmanager
def answerers(
    artifacts: Path, publish: Publish, vetoed: Vetoed, worker: str
) -> Iterator[Mapping[type[Prepare | Train], Answer]]:
    """Serve the trainer's questions; leaving ends everything that was started for them."""
    with tempfile.TemporaryDirectory(prefix="move37-") as scratch:
        service = TrainerService(artifacts, publish, vetoed, worker, Path(scratch))
        service.start_jail()
        try:
            yield {Prepare: service.prepare, Train: service.train}
        finally:
            service.close()
