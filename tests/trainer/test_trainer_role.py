"""The trainer's decisions and its service: the order of events, and the state after a cancelled run."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bus.delivery.role import Post
from bus.vocabulary.events import LossPoint, RunAnomaly, RunCompleted, RunFailed, RunStarted
from bus.wire.envelope import Envelope
from tests.support.tiny_runs import GOOD_SOURCE, add_to_forward, run_request, tiny_scale
from trainer import scales, service
from trainer.role import TrainerRole
from trainer.run.questions import Prepare, Prepared, Train, Trained

STARTED = RunStarted(run="e0001-a0", worker="1", width=32, parameters=10, gates=())
FAILED = RunFailed(run="e0001-a0", worker="1", attempt=0, stage="train", reason="anomaly:diverged", message="up")
ANOMALY = RunAnomaly(run="e0001-a0", kind="diverged", step=9, evidence="up")


def request_envelope(source: str = GOOD_SOURCE) -> Envelope:
    return Envelope("cause", "/lab/engineer/1", datetime.now(UTC), "c", "e0001", run_request(source))


def test_a_run_that_fails_the_gates_is_never_started():
    """The decision asks one question and publishes one event."""
    decision = TrainerRole().decide(request_envelope())
    assert next(decision) == Prepare(run="e0001-a0")
    with pytest.raises(StopIteration) as stop:
        decision.send(Prepared(failed=FAILED))
    assert stop.value.value == [Post("e0001", FAILED)]


def test_an_anomaly_is_published_before_the_failure_it_causes():
    """RunStarted comes before the training."""
    decision = TrainerRole().decide(request_envelope())
    next(decision)
    assert decision.send(Prepared(started=STARTED)) == Post("e0001", STARTED)
    assert decision.send(None) == Train(run="e0001-a0")
    with pytest.raises(StopIteration) as stop:
        decision.send(Trained(anomaly=ANOMALY, failed=FAILED))
    assert stop.value.value == [Post("e0001", ANOMALY), Post("e0001", FAILED)]


def test_giving_up_a_request_fails_its_run():
    """Otherwise its slot would stay open."""
    (post,) = TrainerRole().give_up(request_envelope(), "the disk is full")
    assert isinstance(post.event, RunFailed)
    assert (post.event.reason, post.event.message) == ("trainer_fault", "the disk is full")


async def not_vetoed(_: Envelope) -> bool:
    return False


@pytest.fixture
def tiny_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every rung by the tiny one."""
    monkeypatch.setattr(scales, "load", lambda _: tiny_scale())


async def decide(answerers: Mapping[Any, Any], envelope: Envelope) -> list[Any]:
    """Make a decision and return all events that it publishes."""
    decision, events, reply = TrainerRole().decide(envelope), [], None
    try:
        while True:
            step = decision.send(reply)
            if isinstance(step, Post):
                events.append(step.event)
                reply = None
            else:
                reply = await answerers[type(step)](envelope, step)
    except StopIteration as stop:
        return [*events, *(post.event for post in stop.value)]


async def test_the_service_trains_and_writes_the_weights(tiny_rung: None, tmp_path: Path):
    """It publishes readings; cancelled in the middle of a run, it serves the next one."""
    points: list[LossPoint] = []

    async def publish(_: Envelope, post: Post, ordinal: str) -> None:
        points.append(post.event)

    with service.answerers(tmp_path, publish, not_vetoed, "1") as answerers:
        started, completed = await decide(answerers, request_envelope())
        assert isinstance(started, RunStarted)
        assert isinstance(completed, RunCompleted)
        assert (tmp_path / completed.weights).is_file()
        assert {point.task for point in points} == {"recall", "text"}

        endless = request_envelope(add_to_forward("while True: pass"))
        stuck = asyncio.create_task(decide(answerers, endless))
        await asyncio.wait([stuck], timeout=0.5)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck
        assert isinstance((await decide(answerers, request_envelope()))[-1], RunCompleted)


async def test_a_veto_stops_a_run_in_training_and_one_in_the_gates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The run fails with the reason `vetoed` and leaves no weights; the next run is not affected."""
    long_scale = tiny_scale(steps=10**6)
    monkeypatch.setattr(scales, "load", lambda _: long_scale)
    monkeypatch.setattr(service, "VETO_INTERVAL_S", 0.05)
    training = asyncio.Event()

    async def publish(_: Envelope, __: Post, ___: str) -> None:
        training.set()

    async def vetoed(_: Envelope) -> bool:
        return training.is_set()

    with service.answerers(tmp_path, publish, vetoed, "1") as answerers:
        started, failed = await decide(answerers, request_envelope())
        assert isinstance(started, RunStarted)
        assert (failed.stage, failed.reason, failed.run) == ("train", "vetoed", "e0001-a0")
        assert "a person vetoed e0001" in failed.message
        (failed_at_once,) = await decide(answerers, request_envelope())
        assert (failed_at_once.stage, failed_at_once.reason) == ("gate", "vetoed")
        assert not list(tmp_path.rglob("*.safetensors"))
        training.clear()
        monkeypatch.setattr(scales, "load", lambda _: tiny_scale())
        assert isinstance((await decide(answerers, request_envelope()))[0], RunStarted)


async def test_a_missing_text_is_no_fault_of_the_architecture(tiny_rung: None, tmp_path: Path):
    """The run fails with the reason `bad_request`."""

    async def publish(*_: object) -> None:
        raise AssertionError("nothing was trained")

    envelope = request_envelope()
    request = envelope.event.model_copy(update={"data": str(tmp_path / "missing.txt")})
    with service.answerers(tmp_path, publish, not_vetoed, "1") as answerers:
        (failed,) = await decide(answerers, Envelope("c", "/lab/engineer/1", envelope.time, "c", "e0001", request))
    assert (failed.reason, failed.message.endswith("missing.txt: no such file or folder")) == ("bad_request", True)


def test_the_trainers_own_process_never_imports_torch():
    """Neither does the command line: candidates and torch run in the jail only."""
    program = "import sys, trainer.service, trainer.standalone, trainer.role; print('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "False"
