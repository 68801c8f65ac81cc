"""A run's checkpoint on disk, written by the parent: the child's arrays as they came, and what the parent knows itself.

A run whose trainer died is asked for again, and goes on from here to the same end, bit for bit on one machine. The
arrays are the candidate's word: nothing here looks into them, and they go back to a run of the same source alone. The
file carries the request's digest, so that what belongs to another source, seed or ladder is never taken up.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from trainer.run import weights
from trainer.run.monitor import Reading


class Checkpoint(NamedTuple):
    """How far a run had come."""

    step: int
    """Steps done."""
    seconds: float
    """Wall seconds that it had taken."""
    readings: tuple[Reading, ...]
    """What it had reported."""
    arrays: dict[str, np.ndarray]
    """The state of its training, as the child sent it."""


def checkpoint_path(artifact: Path) -> Path:
    """Return where the checkpoint of a run lies whose weights will lie at `artifact`."""
    return artifact.with_suffix(".checkpoint")


def save_checkpoint(artifact: Path, digest: str, kept: Checkpoint) -> None:
    """Write the file, whole or not at all, in place of an earlier one. Raises OSError."""
    readings = [[reading.step, reading.losses, reading.step_seconds] for reading in kept.readings]
    about = {"step": kept.step, "seconds": kept.seconds, "readings": readings}
    weights.write(kept.arrays, checkpoint_path(artifact), {"request": digest, "run": json.dumps(about)})


def load_checkpoint(artifact: Path, digest: str) -> Checkpoint | None:
    """Return the checkpoint of the same request; None where there is none, or none that can be read."""
    try:
        with safe_open(checkpoint_path(artifact), "numpy") as file:
            about = file.metadata() or {}
            if about.get("request") != digest:
                return None
            run = json.loads(about["run"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a file is no mapping)
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    readings = tuple(Reading(step, losses, seconds) for step, losses, seconds in run["readings"])
    return Checkpoint(run["step"], run["seconds"], readings, arrays)


def delete_checkpoint(artifact: Path) -> None:
    """Remove the file of a run that has ended."""
    checkpoint_path(artifact).unlink(missing_ok=True)
