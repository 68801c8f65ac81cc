"""Runs on sealed text: trained as any other run, scored on text that no screening run is scored on."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from bus.delivery.role import Post
from bus.vocabulary.events import (
    Limits,
    RunCompleted,
    RunStarted,
    VerificationCompleted,
    VerificationFailed,
    VerificationRequested,
)
from bus.wire.envelope import Envelope
from tests.support.tiny_runs import GOOD_SOURCE, add_to_forward, run_request, tiny_scale
from trainer import scales, service
from trainer.role import TrainerRole
from trainer.run.questions import Prepare, Prepared, Train, Trained
from trainer.standalone import train_file
from trainer.tasks.corpus import load_corpus

Decide = Callable[[Envelope], Coroutine[Any, Any, list[Any]]]
SEED = 5


@pytest.fixture(scope="module", autouse=True)
def _tiny_rung() -> Iterator[None]:
    """Replace every rung by the tiny one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scales, "load", lambda _: tiny_scale())
        yield


@pytest.fixture(scope="module")
def vetoed() -> set[str]:
    """The experiments that a person has vetoed."""
    return set()


def sealed_request(source: str = GOOD_SOURCE, *, repetition: int = 0) -> Envelope:
    request = VerificationRequested(
        run="e0001-v0-s2",
        repetition=repetition,
        source=source,
        scale="nano",
        seed=SEED,
        limits=Limits(seconds=60, memory_mb=1024),
    )
    return Envelope("cause", "/lab/engineer/1", datetime.now(UTC), "c", "e0001", request)


@pytest.fixture(scope="module")
def decide(tmp_path_factory: pytest.TempPathFactory, vetoed: set[str], _tiny_rung: None) -> Iterator[Decide]:
    """Yield a function that lets the trainer decide and returns the events that it publishes.

    All tests share one trainer, so one jail: it imports torch, which takes seconds.
    """

    async def publish(_: Envelope, __: Post, ___: str) -> None: ...

    async def is_vetoed(envelope: Envelope) -> bool:
        return envelope.experiment in vetoed

    with service.answerers(tmp_path_factory.mktemp("artifacts"), publish, is_vetoed, worker="1") as answerers:
        yield lambda envelope: _drive(answerers, envelope)


@pytest.fixture(scope="module")
def sealed(decide: Decide) -> VerificationCompleted:
    """The outcome of a sealed run."""
    (outcome,) = asyncio.run(decide(sealed_request()))
    assert isinstance(outcome, VerificationCompleted)
    return outcome


async def _drive(answerers: Mapping[Any, Any], envelope: Envelope) -> list[Any]:
    decision, events, reply = TrainerRole().decide(envelope), [], None
    try:
        while True:
            step = decision.send(reply)
            events += [step.event] if isinstance(step, Post) else []
            reply = None if isinstance(step, Post) else await answerers[type(step)](envelope, step)
    except StopIteration as stop:
        return [*events, *(post.event for post in stop.value)]


async def test_a_sealed_run_differs_from_any_other_in_its_score_alone(
    decide: Decide, sealed: VerificationCompleted
) -> None:
    """The same seed trains the same weights; only the text that scores them differs."""
    ordinary = sealed_request()
    screening = Envelope("other", ordinary.source, ordinary.time, "c", "e0001", run_request(seed=SEED))
    started, screened = await decide(screening)
    assert isinstance(started, RunStarted)
    assert isinstance(screened, RunCompleted)
    assert sealed.weights_sha256 == screened.weights_sha256
    assert sealed.metrics.val_loss != screened.metrics.val_loss
    assert sealed.metrics.size == screened.metrics.size


def test_the_blocks_of_sealed_text_make_up_its_loss(sealed: VerificationCompleted) -> None:
    assert len(sealed.blocks) == tiny_scale().text_tasks["text"].held_out
    assert fmean(sealed.blocks) == pytest.approx(sealed.metrics.val_loss, abs=1e-3)


def test_a_person_repeats_a_sealed_run_without_the_lab(tmp_path: Path, sealed: VerificationCompleted) -> None:
    """`move37 train FILE --seed S --sealed` gives the figure that the log has."""
    file = tmp_path / "mixer.py"
    file.write_text(GOOD_SOURCE)
    repeated = train_file(file, seed=SEED, sealed=True)
    assert repeated["val_loss"] == sealed.metrics.val_loss
    assert repeated["weights_sha256"] == sealed.weights_sha256
    assert train_file(file, seed=SEED)["val_loss"] != sealed.metrics.val_loss


async def test_a_sealed_run_that_fails_says_why_in_one_event(decide: Decide, vetoed: set[str]) -> None:
    """A gate that fails, and a veto, are reasons as in any other run."""
    leak = add_to_forward("y = y + x.mean(1, keepdim=True)")
    (failed,) = await decide(sealed_request(leak, repetition=1))
    assert isinstance(failed, VerificationFailed)
    assert (failed.run, failed.repetition, failed.stage, failed.reason) == ("e0001-v0-s2", 1, "gate", "causality")
    assert 0 < failed.seconds < 60
    vetoed.add("e0001")
    (stopped,) = await decide(sealed_request())
    vetoed.clear()
    assert (stopped.stage, stopped.reason) == ("gate", "vetoed")


def test_the_decision_asks_for_the_gates_and_then_for_the_training() -> None:
    decision = TrainerRole().decide(sealed_request())
    assert next(decision) == Prepare(run="e0001-v0-s2")
    started = RunStarted(run="e0001-v0-s2", worker="1", width=32, parameters=10, gates=())
    assert decision.send(Prepared(started=started)) == Train(run="e0001-v0-s2")
    decision.close()
    (given_up,) = TrainerRole().give_up(sealed_request(), "the disk is full")
    assert isinstance(given_up.event, VerificationFailed)
    assert given_up.event.reason == "trainer_fault"


def test_no_screening_run_is_scored_on_sealed_text() -> None:
    """The parts share no text, and only a verification takes the sealed one."""
    corpus = load_corpus(None, *tiny_scale().text_tasks.values())
    assert corpus.for_verification().validation == corpus.sealed
    assert corpus.for_verification().train == corpus.train
    assert corpus.sealed not in corpus.train
    assert corpus.sealed not in corpus.validation
    assert Trained().blocks == ()
