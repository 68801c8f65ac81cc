"""A run that is cut off goes on from its checkpoint to the same end, and from nobody else's."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bus.vocabulary.events import LossPoint, RunCompleted
from sandbox import Jail
from tests.support.tiny_runs import in_training, request, tiny
from trainer.run import checkpoint
from trainer.run.jail import training_jail
from trainer.run.monitor import Reading
from trainer.run.training_run import RunReport, TrainingRun, execute_run
from trainer.tasks.corpus import load_corpus

SCALE = replace(tiny(), checkpoint_every=6)
SOURCE = in_training("y = nn.functional.dropout(y, 0.1)")
"""Draws from torch's generator as it trains, so that a generator that is not restored shows."""
DIES = """
import os, signal
from pathlib import Path
from tests.trainer.test_checkpoint import SCALE, SOURCE, attempt
from trainer.run.jail import training_jail

def die(point):
    if point.step == 9:
        os.kill(os.getpid(), signal.SIGKILL)

with training_jail("bwrap", Path("scratch")) as jail:
    attempt(jail, Path({artifact!r}), die)
"""


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """Start one zygote for all attempts."""
    with training_jail("bwrap", tmp_path_factory.mktemp("scratch")) as opened:
        opened.ready()
        yield opened


def attempt(jail: Jail, artifact: Path | None, on_point=lambda _: None, source: str = SOURCE) -> RunReport:
    trial = TrainingRun(request(source), SCALE, load_corpus(None, *SCALE.languages.values()), jail, worker="1")
    return execute_run(trial, lambda _: None, on_point, artifact)


def completed(report: RunReport) -> RunCompleted:
    assert report.trained.completed is not None, report.trained.failed
    return report.trained.completed


def test_a_killed_trainer_costs_nothing_but_time(jail: Jail, tmp_path: Path):
    """Killed with SIGKILL behind a checkpoint, it goes on there to the same weights, curve and scores, to the bit."""
    artifact, points = tmp_path / "e0001-a0.safetensors", list[LossPoint]()
    ended = subprocess.run([sys.executable, "-c", DIES.format(artifact=str(artifact))], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert checkpoint.checkpoint_path(artifact).exists()

    resumed = completed(attempt(jail, artifact, points.append))
    whole = completed(attempt(jail, tmp_path / "whole.safetensors"))
    assert [point.step for point in points if point.task == "text"] == [9, 12]
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.curve == whole.curve
    assert resumed.scores == whole.scores
    assert resumed.train_loss == whole.train_loss


def test_another_source_starts_anew(jail: Jail, tmp_path: Path):
    """A checkpoint belongs to one request."""
    artifact, points = tmp_path / "e0001-a0.safetensors", list[LossPoint]()
    completed(attempt(jail, artifact))
    assert checkpoint.checkpoint_path(artifact).exists(), "whoever takes the result to heart forgets it"
    completed(attempt(jail, artifact, points.append, source=SOURCE + "\n# other\n"))
    assert [point.step for point in points if point.task == "text"] == [3, 6, 9, 12]


def test_what_can_t_be_read_is_no_checkpoint(tmp_path: Path):
    """Nor what was kept for another request; forgetting twice is no fault."""
    artifact = tmp_path / "run.safetensors"
    kept = checkpoint.Checkpoint(3, 1.5, (Reading(3, {"text": 2.5}, 0.01),), {})
    checkpoint.save_checkpoint(artifact, "digest", kept)
    assert checkpoint.load_checkpoint(artifact, "digest") == kept
    assert checkpoint.load_checkpoint(artifact, "another") is None
    file = checkpoint.checkpoint_path(artifact)
    file.write_bytes(file.read_bytes()[:-3] + b"???")
    os.truncate(file, 20)
    assert checkpoint.load_checkpoint(artifact, "digest") is None
    checkpoint.delete_checkpoint(artifact)
    checkpoint.delete_checkpoint(artifact)
    assert checkpoint.load_checkpoint(artifact, "digest") is None


def test_a_checkpoint_comes_with_its_readings(jail: Jail, tmp_path: Path):
    """A candidate that sends one of its own is found out."""
    forged = in_training(
        "import gc, sys; jail = sys.modules['sandbox']; channels = (jail.Channel,); "
        "[c.send(jail.Frame('checkpoint', {'step': 11}, {})) for c in gc.get_objects() if isinstance(c, channels)]"
    )
    failed = attempt(jail, tmp_path / "run.safetensors", source=forged).trained.failed
    assert failed is not None
    assert (failed.reason, failed.stage) == ("protocol_error", "train")
