"""The trainer's service: answers the role's questions by running trainings in a thread, and publishes their losses.

    with service.answerers(home / "artifacts", publish, is_vetoed, worker="1") as answerers:
        await Actor(bus, TrainerRole(), answerers).run()

If a run is cancelled (the service ends, or the decision is dropped), its sandbox ends with it. The log delivers the
request again. The run then resumes from its checkpoint, or starts again with the same seed and so with the same
outcome. If a person vetoes the experiment, the run is stopped in the same way and fails.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bus.delivery.role import Post
from bus.vocabulary.events import (
    VETOED,
    Event,
    LossPoint,
    Record,
    RunFailed,
    RunRequested,
    Stage,
    VerificationRequested,
)
from bus.wire.envelope import Envelope
from sandbox import Device, Jail, Sandbox
from trainer import scales
from trainer.run.checkpoint import delete_checkpoint
from trainer.run.jail import refuse_readable_data, training_jail
from trainer.run.questions import Prepare, Prepared, Train, Trained
from trainer.run.sealed_run import as_run
from trainer.run.training_run import TrainingRun
from trainer.tasks.corpus import load_corpus

Publish = Callable[[Envelope, Post, str], Awaitable[None]]
"""(the request's envelope, a reading as a post, an ordinal unique within the run)."""
IsVetoed = Callable[[Envelope], Awaitable[bool]]
"""Whether a person has vetoed a request's experiment. It raises nothing; if the answer is unknown, it is False."""
Answer = Callable[[Envelope, Any], Awaitable[Record]]
"""(the request's envelope, a question) -> its reply."""
T = TypeVar("T")
READING_INTERVAL_S = 0.1
"""Least seconds between two published readings of a task; readings in between are dropped."""
VETO_INTERVAL_S = 2.0
"""Seconds between two checks for a veto."""

log = structlog.get_logger()


class TrainerService:
    """Runs trainings for one trainer process, one at a time."""

    def __init__(self, artifacts: Path, publish: Publish, is_vetoed: IsVetoed, worker: str, scratch: Path) -> None:
        """Start nothing yet.

        - `artifacts`: weights go to `artifacts/<campaign>/<experiment>/<run>.safetensors`;
        - `worker`: the trainer's name in the events;
        - `scratch`: working folder of runs without containment.
        """
        self._artifacts, self._publish, self._worker, self._scratch = artifacts, publish, worker, scratch
        self._is_vetoed = is_vetoed
        self._jail: Jail | None = None
        self._run: TrainingRun | None = None

    async def prepare(self, envelope: Envelope, question: Prepare) -> Prepared:
        """Open a run and put its candidate through the gates. Raises SandboxUnavailable."""
        request = _request(envelope.event)
        assert question.run == request.run
        self._close_run()
        try:
            self._run = await asyncio.to_thread(self._open_run, envelope.event)
        except ValueError as error:
            return Prepared(failed=self._failure(request, "train", "bad_request", str(error)))
        prepared = await self._unless_vetoed(envelope, self._run.prepare)
        return prepared or Prepared(failed=self._veto_failure(envelope, "gate"))

    async def train(self, envelope: Envelope, question: Train) -> Trained:
        """Train and score the prepared run."""
        run = self._run
        assert run is not None, "Train comes after Prepare"
        assert run.request.run == question.run
        readings: asyncio.Queue[LossPoint | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        publisher = asyncio.create_task(self._publish_readings(envelope, readings))
        artifact = self._artifacts / envelope.campaign / envelope.experiment / f"{question.run}.safetensors"

        def on_point(point: LossPoint) -> None:
            loop.call_soon_threadsafe(readings.put_nowait, point)

        try:
            trained = await self._unless_vetoed(envelope, lambda: run.train(on_point, artifact))
            delete_checkpoint(artifact)  # not if this service is cancelled: the run resumes from it
            return trained or Trained(failed=self._veto_failure(envelope, "train"))
        finally:
            readings.put_nowait(None)
            await publisher
            self._close_run()

    def close(self) -> None:
        """End the run and its jail."""
        self._close_run()
        if self._jail is not None:
            self._jail.close()

    def start_jail(self, sandbox: Sandbox = "bwrap") -> None:
        """Start the jail in the background, before the first request."""
        self._jail_for(sandbox).prepare()

    def _open_run(self, event: Event) -> TrainingRun:
        """Return the run that an event asks for. Raises ValueError for an unknown scale or an unusable text."""
        climb, request = event if isinstance(event, VerificationRequested) else None, _request(event)
        scale = scales.load(request.scale).at_rate(climb.rate if climb else 1.0)
        sealed = climb is not None and climb.sealed
        refuse_readable_data(request.data)
        corpus = load_corpus(request.data, *scale.text_tasks.values())
        jail = self._jail_for(request.sandbox, scale.device)
        return TrainingRun(request, scale, corpus, jail, worker=self._worker, sealed=sealed)

    def _jail_for(self, sandbox: Sandbox, device: Device = "cpu") -> Jail:
        """Return the jail for a sandbox and a device; another one replaces the jail."""
        if self._jail is None or (self._jail.sandbox, self._jail.device) != (sandbox, device):
            if self._jail is not None:
                self._jail.close()
            self._jail = training_jail(sandbox, self._scratch, device=device)
        return self._jail

    async def _unless_vetoed(self, envelope: Envelope, work: Callable[[], T]) -> T | None:
        """Do the work in a thread and return its result; None if a person vetoes the experiment meanwhile.

        On a veto, and when cancelled, kill the sandbox, which ends the work, and wait for that.
        """
        future = asyncio.ensure_future(asyncio.to_thread(work))
        veto = asyncio.create_task(self._wait_for_veto(envelope))
        try:
            await asyncio.wait([future, veto], return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return future.result()
            await self._kill(future)
        except asyncio.CancelledError:
            await self._kill(future)
            raise
        finally:
            veto.cancel()

    async def _wait_for_veto(self, envelope: Envelope) -> None:
        """Return once a person has vetoed the experiment; the work never waits for the answer."""
        while not await self._is_vetoed(envelope):
            await asyncio.sleep(VETO_INTERVAL_S)

    async def _kill(self, future: asyncio.Future[Any]) -> None:
        """End the work by ending its sandbox."""
        if self._jail is not None:
            self._jail.close()
        await asyncio.wait([future])
        self._close_run()

    async def _publish_readings(self, envelope: Envelope, readings: asyncio.Queue[LossPoint | None]) -> None:
        """Publish readings until None comes; a failure to publish one does not affect the run."""
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

    def _close_run(self) -> None:
        if self._run is not None:
            self._run.close()
            self._run = None

    def _failure(self, request: RunRequested, stage: Stage, reason: str, message: str) -> RunFailed:
        """Return a failure that is no fault of the architecture."""
        return RunFailed(
            run=request.run, worker=self._worker, attempt=request.attempt, stage=stage, reason=reason, message=message
        )

    def _veto_failure(self, envelope: Envelope, stage: Stage) -> RunFailed:
        message = f"a person vetoed {envelope.experiment}; its run was stopped"
        return self._failure(_request(envelope.event), stage, VETOED, message)


def _request(event: Event) -> RunRequested:
    """Return the request in an event; one for a run of a climb in the form of any other."""
    if isinstance(event, VerificationRequested):
        return as_run(event)
    assert isinstance(event, RunRequested)
    return event


@contextmanager
def answerers(
    artifacts: Path, publish: Publish, is_vetoed: IsVetoed, worker: str
) -> Iterator[Mapping[type[Prepare | Train], Answer]]:
    """Yield the answerers of the trainer's questions; at the end of the block, everything they started is ended."""
    with tempfile.TemporaryDirectory(prefix="move37-") as scratch:
        service = TrainerService(artifacts, publish, is_vetoed, worker, Path(scratch))
        service.start_jail()
        try:
            yield {Prepare: service.prepare, Train: service.train}
        finally:
            service.close()
