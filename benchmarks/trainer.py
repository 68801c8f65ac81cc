"""What one experiment costs, phase by phase, for each human baseline: `python -m benchmarks.trainer [--scale nano]`.

Prints one JSON document. `cpu_step_ms` is CPU time, so it hardly depends on what else the machine does; the seconds are
wall seconds of gates, training and examination; `rss_mb` are the parent, the zygote and the run while it trains.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from agents.design import BASELINES
from bus.vocabulary.events import LossPoint, RunRequested
from sandbox import Jail
from trainer import scales
from trainer.run.jail import training_jail
from trainer.run.training_run import TrainingRun
from trainer.tasks.corpus import Corpus, load_corpus


def resident_mb(process: Path) -> float:
    """Return the resident memory of a process, given its folder in a process table, in MiB."""
    pages = int((process / "statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


class Clock:
    """Notes when training began to report and when it ended, and the memory of everything while it ran."""

    def __init__(self, jail: Jail) -> None:
        """Watch the processes of this jail."""
        self._jail, self.last, self.rss = jail, 0.0, {"parent": 0.0, "zygote": 0.0, "run": 0.0}

    def __call__(self, point: LossPoint) -> None:
        """Take a reading's time; measure memory at the middle of the run."""
        self.last = time.monotonic()
        if point.step <= point.steps // 2:
            zygote = self._jail.ready()
            inside = [resident_mb(folder) for folder in zygote.processes()]
            ours, theirs = resident_mb(Path("/proc/self")), resident_mb(zygote.folder)
            self.rss = {"parent": ours, "zygote": theirs, "run": round(sum(inside), 1)}


def measure(name: str, scale: scales.Scale, corpus: Corpus, jail: Jail, seed: int) -> dict[str, Any]:
    """Return the phases of one experiment with a baseline."""
    asked = RunRequested(
        run=f"base-{name}-a0",
        attempt=0,
        source=BASELINES[name].source,
        scale=scale.name,
        seed=seed,
        limits=scales.limits()[scale.name],
    )
    clock, trial, begun = Clock(jail), TrainingRun(asked, scale, corpus, jail, worker="bench"), time.monotonic()
    try:
        prepared = trial.prepare()
        gates = time.monotonic()
        trained = trial.train(clock, None)
        ended = time.monotonic()
    finally:
        trial.close()
    assert prepared.started is not None, prepared.failed
    assert trained.completed is not None, trained.failed
    done = trained.completed
    return {
        "mixer": name,
        "gates_seconds": round(gates - begun, 2),
        "training_seconds": round(clock.last - gates, 2),
        "examination_seconds": round(ended - clock.last, 2),
        "seconds": round(ended - begun, 2),
        "cpu_step_ms": round(done.step_seconds * 1e3, 2),
        "training_tokens_per_second": round(done.tokens / (clock.last - gates)),
        "parameters": done.parameters,
        "flops_per_token": done.flops_per_token,
        "recall": round(done.recall, 4),
        "bits_per_byte": round(done.bits_per_byte, 4),
        "rss_mb": clock.rss,
    }


def main() -> None:
    """Measure every baseline, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="nano")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("mixers", nargs="*", default=list(BASELINES))
    chosen = parser.parse_args()
    scale = scales.load(chosen.scale)
    corpus = load_corpus(None, *scale.languages.values())
    with (
        tempfile.TemporaryDirectory() as scratch,
        training_jail("bwrap", Path(scratch), device=scale.device) as jail,
    ):
        begun = time.monotonic()
        jail.ready()
        start = round(time.monotonic() - begun, 2)
        rows = [measure(name, scale, corpus, jail, chosen.seed) for name in chosen.mixers]
    print(
        json.dumps(
            {"scale": scale.name, "load": os.getloadavg()[0], "jail_start_seconds": start, "runs": rows}, indent=1
        )
    )


if __name__ == "__main__":
    main()
