"""An interrupted run resumes from its own checkpoint, with the same result as without interruption."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bus.vocabulary.events import LossPoint, RunCompleted
from sandbox import Jail
from tests.support.tiny_runs import add_to_training, execute_source, tiny_scale
from trainer.run.checkpoint import Checkpoint, checkpoint_path, delete_checkpoint, load_checkpoint, save_checkpoint
from trainer.run.monitor import Reading
from trainer.run.training_run import RunReport

CHECKPOINT_EVERY = 6
SCALE = tiny_scale(checkpoint_every=CHECKPOINT_EVERY)
BOTH = pytest.mark.parametrize("optimiser", ["parent", "worker"])
SOURCE = add_to_training("y = nn.functional.dropout(y, 0.1)")
"""Draws from torch's generator in training, so that the result shows a generator that is not restored."""
KILLED_TRAINER = f"""
import os, signal
from pathlib import Path
from tests.support.tiny_runs import execute_source, tiny_scale
from trainer.run.jail import training_jail

def kill_at_step_9(point):
    if point.step == 9:
        os.kill(os.getpid(), signal.SIGKILL)

with training_jail("bwrap", Path("scratch")) as jail:
    scale = tiny_scale(checkpoint_every={CHECKPOINT_EVERY}, optimiser={{optimiser!r}})
    execute_source(jail, {SOURCE!r}, scale, Path({{artifact!r}}), kill_at_step_9)
"""


def completed(report: RunReport) -> RunCompleted:
    assert report.trained.completed is not None, report.trained.failed
    return report.trained.completed


def text_steps(points: list[LossPoint]) -> list[int]:
    return [point.step for point in points if point.task == "text"]


@BOTH
def test_a_killed_run_resumes_to_the_same_result(jail: Jail, tmp_path: Path, optimiser: str):
    """After SIGKILL it continues from its checkpoint; weights, curve and scores are the same bit for bit."""
    artifact, points = tmp_path / "e0001-a0.safetensors", list[LossPoint]()
    program = KILLED_TRAINER.format(artifact=str(artifact), optimiser=optimiser)
    scale = tiny_scale(checkpoint_every=CHECKPOINT_EVERY, optimiser=optimiser)
    process = subprocess.run([sys.executable, "-c", program], check=False)
    assert process.returncode == -signal.SIGKILL
    assert checkpoint_path(artifact).exists()

    resumed = completed(execute_source(jail, SOURCE, scale, artifact, points.append))
    uninterrupted = completed(execute_source(jail, SOURCE, scale, tmp_path / "uninterrupted.safetensors"))
    assert text_steps(points) == [9, 12]
    assert resumed.weights_sha256 == uninterrupted.weights_sha256
    assert resumed.metrics.model_copy(update={"cost": {}}) == uninterrupted.metrics.model_copy(update={"cost": {}})


def test_another_source_starts_from_the_beginning(jail: Jail, tmp_path: Path):
    """A checkpoint belongs to one request."""
    artifact, points = tmp_path / "e0001-a0.safetensors", list[LossPoint]()
    completed(execute_source(jail, SOURCE, SCALE, artifact))
    assert checkpoint_path(artifact).exists(), "only the caller deletes it, after publishing the result"
    completed(execute_source(jail, SOURCE + "\n# other\n", SCALE, artifact, points.append))
    assert text_steps(points) == [3, 6, 9, 12]


def test_an_unreadable_checkpoint_is_ignored(tmp_path: Path):
    """A checkpoint of another request is ignored too; deleting a checkpoint twice raises no error."""
    artifact = tmp_path / "run.safetensors"
    checkpoint = Checkpoint(3, 1.5, (Reading(3, {"text": 2.5}, 0.01),), {})
    save_checkpoint(artifact, "digest", checkpoint)
    assert load_checkpoint(artifact, "digest") == checkpoint
    assert load_checkpoint(artifact, "another") is None
    file = checkpoint_path(artifact)
    file.write_bytes(file.read_bytes()[:-3] + b"???")
    os.truncate(file, 20)
    assert load_checkpoint(artifact, "digest") is None
    delete_checkpoint(artifact)
    delete_checkpoint(artifact)
    assert load_checkpoint(artifact, "digest") is None


@BOTH
def test_a_checkpoint_without_its_reading_is_a_protocol_error(jail: Jail, tmp_path: Path, optimiser: str):
    """A candidate can't forge a checkpoint of another step, or one where the parent makes them."""
    forged = add_to_training(
        "import gc, sys; jail = sys.modules['sandbox']; channels = (jail.Channel,); "
        "[c.send(jail.Frame('checkpoint', {'step': 11}, {})) for c in gc.get_objects() if isinstance(c, channels)]"
    )
    scale = tiny_scale(checkpoint_every=CHECKPOINT_EVERY, optimiser=optimiser)
    failed = execute_source(jail, forged, scale, tmp_path / "run.safetensors").trained.failed
    assert failed is not None
    assert (failed.reason, failed.stage) == ("protocol_error", "train")
