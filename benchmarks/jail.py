"""What the jail costs: a jailed start against a fresh interpreter, what a hundred runs leave behind, the gates' time.

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
HELLO, EXAMINATION = "sandbox.probe:hello", "trainer.gates.examination:main"


def fresh_interpreter(times: int = 5) -> float:
    """Return the median time of an interpreter that imports torch and ends."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        taken.append(1e3 * (time.perf_counter() - start))
    return statistics.median(taken)


def starts(jail: Jail, times: int = RUNS) -> tuple[list[float], list[float]]:
    """Return the times from an order to its first frame, and from leaving to nothing left."""
    began, ended = [], []
    for _ in range(times):
        start = time.perf_counter()
        with jail.run(HELLO, seconds=30, memory_mb=256) as session:
            session.recv()
            answered = time.perf_counter()
        began.append(1e3 * (answered - start))
        ended.append(1e3 * (time.perf_counter() - answered))
    return began, ended


def held(zygote: Zygote) -> dict[str, int]:
    """Return what the parent and the sandbox hold at this moment."""
    return {
        "parent_rss": _resident(Path("/proc/self")),
        "parent_descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "zygote_rss": _resident(zygote.folder),
        "runs_processes": len(zygote.processes()),
    }


def _resident(process: Path) -> int:
    """Return a process' resident memory in MiB."""
    return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def gates(jail: Jail) -> dict[str, float]:
    """Return the seconds from an order to the findings, for each human baseline; all of them must pass."""
    taken = {}
    for name, baseline in BASELINES.items():
        asked = {"source": render(baseline.design).source, "d_model": WIDTH, "n_heads": HEADS, "seed": 0}
        start = time.perf_counter()
        with jail.run(EXAMINATION, seconds=60, memory_mb=512) as session:
            session.send(Frame("examine", asked))
            findings = session.recv().header["findings"]
        taken[name] = round(time.perf_counter() - start, 3)
        if not all(passed for _, passed, _, _ in findings):
            raise RuntimeError(f"the gates reject the baseline {name}: {findings[-1]}")
    return taken


def figures() -> dict[str, object]:
    """Measure everything once."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        training_jail("bwrap", Path(scratch), preload=(EXAMINATION[:-5],)) as jail,
    ):
        start = time.perf_counter()
        zygote = jail.ready()
        warmed = time.perf_counter() - start
        starts(jail, 5)
        before = held(zygote)
        began, ended = starts(jail)
        after = held(zygote)
        examined = gates(jail)
    fresh = fresh_interpreter()
    p50 = statistics.median(began)
    return {
        "jailed_start_p50": round(p50, 1),
        "jailed_start_p95": round(statistics.quantiles(began, n=20)[18], 1),
        "jailed_end_p50": round(statistics.median(ended), 1),
        "fresh_interpreter_with_torch_p50": round(fresh, 1),
        "times_faster": round(fresh / p50, 1),
        "zygote_start_seconds": round(warmed, 2),
        f"before_{RUNS}_runs": before,
        f"after_{RUNS}_runs": after,
        "gates_seconds": examined,
    }


if __name__ == "__main__":
    print(json.dumps(figures(), indent=2))
