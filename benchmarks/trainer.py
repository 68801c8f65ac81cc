"""The cost of one experiment, phase by phase, for each human baseline: `python -m benchmarks.trainer [--scale nano]`.

Prints one JSON document. `cpu_step_ms` is CPU time, so other work of the machine hardly affects it. The seconds are
wall seconds of gates, training and examination. `rss_mb` is the memory of the parent, the zygote and the run as it
trains.
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


class PhaseRecorder:
    """Records the time of the last reading, and the memory of all processes during the first half of a run."""

    def __init__(self, jail: Jail) -> None:
        """Watch the processes of this jail."""
        self._jail, self.last, self.rss = jail, 0.0, {"parent": 0.0, "zygote": 0.0, "run": 0.0}

    def __call__(self, point: LossPoint) -> None:
        """Record the time of a reading, and up to the middle of the run the memory."""
        self.last = time.monotonic()
        if point.step <= point.steps // 2:
            zygote = self._jail.ensure_zygote()
            run = sum(resident_mb(folder) for folder in zygote.run_processes())
            parent, zygote_mb = resident_mb(Path("/proc/self")), resident_mb(zygote.process_folder)
            self.rss = {"parent": parent, "zygote": zygote_mb, "run": round(run, 1)}


def measure(name: str, scale: scales.Scale, corpus: Corpus, jail: Jail, seed: int) -> dict[str, Any]:
    """Run one experiment with a baseline and return its phases. Raises AssertionError if the run fails."""
    request = RunRequested(
        run=f"base-{name}-a0",
        attempt=0,
        source=BASELINES[name].source,
        scale=scale.name,
        seed=seed,
        limits=scales.limits()[scale.name],
    )
    recorder, run = PhaseRecorder(jail), TrainingRun(request, scale, corpus, jail, worker="bench")
    start = time.monotonic()
    try:
        prepared = run.prepare()
        gates_end = time.monotonic()
        trained = run.train(recorder, None)
        end = time.monotonic()
    finally:
        run.close()
    assert prepared.started is not None, prepared.failed
    assert trained.completed is not None, trained.failed
    result = trained.completed
    return {
        "mixer": name,
        "gates_seconds": round(gates_end - start, 2),
        "training_seconds": round(recorder.last - gates_end, 2),
        "examination_seconds": round(end - recorder.last, 2),
        "seconds": round(end - start, 2),
        "cpu_step_ms": round(result.metrics.cost["step_seconds"] * 1e3, 2),
        "training_tokens_per_second": round(result.metrics.cost["tokens"] / (recorder.last - gates_end)),
        "parameters": result.metrics.size["parameters"],
        "flops_per_token": result.metrics.cost["flops_per_token"],
        "recall": round(result.metrics.recall, 4),
        "bits_per_byte": round(result.metrics.bits_per_byte, 4),
        "rss_mb": recorder.rss,
    }


def main() -> None:
    """Measure every baseline, or the named ones, and print the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="nano")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("mixers", nargs="*", default=list(BASELINES))
    options = parser.parse_args()
    scale = scales.load(options.scale)
    corpus = load_corpus(None, *scale.text_tasks.values())
    with (
        tempfile.TemporaryDirectory() as scratch,
        training_jail("bwrap", Path(scratch), device=scale.device) as jail,
    ):
        start = time.monotonic()
        jail.ensure_zygote()
        jail_start = round(time.monotonic() - start, 2)
        rows = [measure(name, scale, corpus, jail, options.seed) for name in options.mixers]
    about = {"scale": scale.name, "load": os.getloadavg()[0], "jail_start_seconds": jail_start}
    print(json.dumps({**about, "runs": rows}, indent=1))


if __name__ == "__main__":
    main()
