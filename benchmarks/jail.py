"""The costs of the jail: a start in it and in a fresh interpreter, usage after a hundred runs, the time of the gates.

    python -m benchmarks.jail

Prints one JSON object; times are in milliseconds unless a key says seconds, memory in MiB.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agents.design import BASELINES, render
from sandbox import Frame, Jail
from sandbox.zygote import Zygote
from trainer.run.jail import training_jail

RUNS = 100
WIDTH, HEADS = 64, 2
HELLO, EXAMINATION = "sandbox.probe:report_confinement", "trainer.gates.examination:main"


def fresh_interpreter(times: int = 5) -> float:
    """Return the median milliseconds of an interpreter that imports torch and ends."""
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        durations.append(1e3 * (time.perf_counter() - start))
    return statistics.median(durations)


def starts(jail: Jail, times: int = RUNS) -> tuple[list[float], list[float]]:
    """Return milliseconds from an order to the run's first frame, and from the end of its session to its removal."""
    start_ms, end_ms = [], []
    for _ in range(times):
        start = time.perf_counter()
        with jail.run(HELLO, seconds=30, memory_mb=256) as session:
            session.recv()
            first_frame = time.perf_counter()
        start_ms.append(1e3 * (first_frame - start))
        end_ms.append(1e3 * (time.perf_counter() - first_frame))
    return start_ms, end_ms


def usage(zygote: Zygote) -> dict[str, int]:
    """Return the current memory (MiB), descriptors and processes of the parent and of the sandbox."""
    return {
        "parent_rss": _resident_mb(Path("/proc/self")),
        "parent_descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "zygote_rss": _resident_mb(zygote.process_folder),
        "runs_processes": len(zygote.run_processes()),
    }


def _resident_mb(process: Path) -> int:
    return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def gates(jail: Jail) -> dict[str, float]:
    """Return the seconds from an order to the findings, for each human baseline. Raises RuntimeError if one fails."""
    durations = {}
    for name, baseline in BASELINES.items():
        order = {"source": render(baseline.design).source, "d_model": WIDTH, "n_heads": HEADS, "seed": 0}
        start = time.perf_counter()
        with jail.run(EXAMINATION, seconds=60, memory_mb=512) as session:
            session.send(Frame("examine", order))
            findings = session.recv().header["findings"]
        durations[name] = round(time.perf_counter() - start, 3)
        if not all(passed for _, passed, _, _ in findings):
            raise RuntimeError(f"the gates reject the baseline {name}: {findings[-1]}")
    return durations


def figures() -> dict[str, object]:
    """Measure everything once and return the document."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        training_jail("bwrap", Path(scratch), preload=(EXAMINATION[:-5],)) as jail,
    ):
        start = time.perf_counter()
        zygote = jail.ensure_zygote()
        zygote_start = time.perf_counter() - start
        starts(jail, 5)
        usage_before = usage(zygote)
        start_ms, end_ms = starts(jail)
        usage_after = usage(zygote)
        gate_seconds = gates(jail)
    fresh = fresh_interpreter()
    p50 = statistics.median(start_ms)
    return {
        "jailed_start_p50": round(p50, 1),
        "jailed_start_p95": round(statistics.quantiles(start_ms, n=20)[18], 1),
        "jailed_end_p50": round(statistics.median(end_ms), 1),
        "fresh_interpreter_with_torch_p50": round(fresh, 1),
        "times_faster": round(fresh / p50, 1),
        "zygote_start_seconds": round(zygote_start, 2),
        f"before_{RUNS}_runs": usage_before,
        f"after_{RUNS}_runs": usage_after,
        "gates_seconds": gate_seconds,
    }


if __name__ == "__main__":
    print(json.dumps(figures(), indent=2))
