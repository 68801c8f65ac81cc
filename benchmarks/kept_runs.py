"""Runs of many sources outside of a lab, kept in a file of JSON lines, so that a benchmark goes on where it stopped."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.kept_results import collect_results
from trainer.standalone import train_file


@dataclass(frozen=True)
class PlannedTraining:
    """A run to do, in the jail, as `move37 train` does it."""

    design: str
    """Name of the source."""
    seed: int
    rate: float = 1.0
    """Multiple of the scale's learning rates."""
    sealed: bool = False
    """Whether it is scored on sealed text, not on validation text."""
    scale: str = "nano"


@dataclass(frozen=True)
class KeptRun:
    """A run that ended."""

    training: PlannedTraining
    loss: float | None
    """Text loss in nats per byte; None if it failed."""


def collect(
    out: Path, texts: Mapping[str, str], trainings: Iterable[PlannedTraining], processes: int = 1
) -> list[KeptRun]:
    """Do the runs that `out` does not hold yet, append each as it ends, and return those of all trainings."""
    wanted, known = list(trainings), {run.training: run for run in read(out)}
    done = collect_results(wanted, known, partial(_train, texts), out, processes)
    return [done[one] for one in wanted]


def read(out: Path) -> Iterator[KeptRun]:
    """Yield the runs that a file holds; none if there is no file."""
    for line in out.read_text(encoding="utf-8").splitlines() if out.exists() else ():
        row = json.loads(line)
        yield KeptRun(PlannedTraining(**row["training"]), row["loss"])


def _train(texts: Mapping[str, str], training: PlannedTraining) -> KeptRun:
    with tempfile.TemporaryDirectory(prefix="move37-") as folder:
        path = Path(folder) / "mixer.py"
        path.write_text(texts[training.design], encoding="utf-8")
        verdict = train_file(path, scale=training.scale, seed=training.seed, rate=training.rate, sealed=training.sealed)
    return KeptRun(training, verdict.get("val_loss"))
