"""The trainer's decisions, and its edge: what is said in which order, and what a cancelled trial leaves behind."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.delivery.role import Post
from bus.vocabulary.events import LossPoint, RunAnomaly, RunCompleted, RunFailed, RunStarted
from bus.wire.envelope import Envelope
from tests.support.tiny_runs import GOOD, request, tiny
from trainer import scales, service
from trainer.role import TrainerRole
from trainer.run.questions import Prepare, Prepared, Train, Trained

STARTED = RunStarted(run="e0001-a0", worker="1", width=32, parameters=10, gates=())
FAILED = RunFailed(run="e0001-a0", worker="1", attempt=0, stage="train", reason="anomaly:diverged", message="up")
ANOMALY = RunAnomaly(run="e0001-a0", kind="diverged", step=9, evidence="up")


def said(source: str = GOOD) -> Envelope:
    return Envelope("cause", "/lab/engineer/1", datetime.now(UTC), "c", "e0001", request(source))


def test_a_run_that_fails_the_gates_is_never_started():
    """One question, one fact."""
    decision = TrainerRole().decide(said())
    assert next(decision) == Prepare(run="e0001-a0")
    with pytest.raises(StopIteration) as stop:
        decision.send(Prepared(failed=FAILED))
    assert stop.value.value == [Post("e0001", FAILED)]


def test_an_anomaly_is_said_before_the_failure_it_causes():
    """RunStarted is out before training is asked for."""
    decision = TrainerRole().decide(said())
    next(decision)
    assert decision.send(Prepared(started=STARTED)) == Post("e0001", STARTED)
    assert decision.send(None) == Train(run="e0001-a0")
    with pytest.raises(StopIteration) as stop:
        decision.send(Trained(anomaly=ANOMALY, failed=FAILED))
    assert stop.value.value == [Post("e0001", ANOMALY), Post("e0001", FAILED)]


def test_a_request_that_can_not_be_seen_through_fails_its_run():
    """So that no slot waits for ever."""
    (post,) = TrainerRole().give_up(said(), "the disk is full")
    assert isinstance(post.event, RunFailed)
    assert (post.event.reason, post.event.message) == ("trainer_fault", "the disk is full")


async def wanted(_: Envelope) -> bool:
    """Say that nobody vetoed."""
    return False


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every rung be the tiny one."""
    monkeypatch.setattr(scales, "load", lambda _: tiny())


async def through(answering: object, envelope: Envelope) -> list[object]:
    """Drive a decision to its end; return everything it said."""
    decision, events, reply = TrainerRole().decide(envelope), [], None
    try:
        while True:
            asked = decision.send(reply)
            if isinstance(asked, Post):
                events.append(asked.event)
                reply = None
            else:
                reply = await answering[type(asked)](envelope, asked)
    except StopIteration as stop:
        return [*events, *(post.event for post in stop.value)]


async def test_the_service_trains_publishes_and_keeps_the_weights(small: None, tmp_path: Path):
    """Then, cancelled in the middle of another run, it is free for the next."""
    points: list[LossPoint] = []

    async def publish(_: Envelope, post: Post, ordinal: str) -> None:
        points.append(post.event)

    with service.answerers(tmp_path, publish, wanted, "1") as answering:
        started, completed = await through(answering, said())
        assert isinstance(started, RunStarted)
        assert isinstance(completed, RunCompleted)
        assert (tmp_path / completed.weights).is_file()
        assert {point.task for point in points} == {"recall", "text"}

        stuck = asyncio.create_task(
            through(
                answering,
                said(GOOD.replace("        return self.out", "        while True: pass\n        return self.out")),
            )
        )
        await asyncio.wait([stuck], timeout=0.5)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck
        assert isinstance((await through(answering, said()))[-1], RunCompleted)


async def test_a_veto_stops_a_run_that_trains_and_one_that_has_not_begun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The run fails, and the reason says that a person wanted it; no weights are left, the next run is unharmed."""
    long = tiny(steps=10**6)
    monkeypatch.setattr(scales, "load", lambda _: long)
    monkeypatch.setattr(service, "VETO_INTERVAL_S", 0.05)
    seen = asyncio.Event()

    async def publish(_: Envelope, __: Post, ___: str) -> None:
        seen.set()

    async def vetoed(_: Envelope) -> bool:
        return seen.is_set()

    with service.answerers(tmp_path, publish, vetoed, "1") as answering:
        started, failed = await through(answering, said())
        assert isinstance(started, RunStarted)
        assert (failed.stage, failed.reason, failed.run) == ("train", "vetoed", "e0001-a0")
        assert "a person vetoed e0001" in failed.message
        (at_once,) = await through(answering, said())
        assert (at_once.stage, at_once.reason) == ("gate", "vetoed")
        assert not list(tmp_path.rglob("*.safetensors"))
        seen.clear()
        monkeypatch.setattr(scales, "load", lambda _: tiny())
        assert isinstance((await through(answering, said()))[0], RunStarted)


async def test_a_text_that_is_not_there_is_no_fault_of_the_architecture(small: None, tmp_path: Path):
    """The reason says that the request was bad."""

    async def publish(*_: object) -> None:
        raise AssertionError("nothing was trained")

    envelope = said()
    asked = envelope.event.model_copy(update={"data": str(tmp_path / "missing.txt")})
    with service.answerers(tmp_path, publish, wanted, "1") as answering:
        (failed,) = await through(answering, Envelope("c", "/lab/engineer/1", envelope.time, "c", "e0001", asked))
    assert (failed.reason, failed.message.endswith("missing.txt: no such file or folder")) == ("bad_request", True)


def test_the_trainers_own_process_never_imports_torch():
    """Nor does the command line's: candidates and torch live in the jail."""
    program = "import sys, trainer.service, trainer.standalone, trainer.role; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
