"""Facts about a service's host that its vitals carry: free disk space, and the GPUs if `nvidia-smi` finds any."""

import csv
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

SAMPLE_INTERVAL_S = 15.0
"""Least seconds between two calls of nvidia-smi, which takes up to a second."""
QUERY_TIMEOUT_S = 10.0
MIB = 1 << 20
GPU_FIELDS = ("index", "name", "utilization.gpu", "memory.used", "memory.total")
"""What nvidia-smi is asked for: memory in MiB, utilization in percent."""


def free_bytes(folder: Path) -> int | None:
    """Return the bytes that a folder's disk has free; None if neither the folder nor a parent of it exists."""
    for place in (folder, *folder.resolve().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


def query_gpus() -> list[dict[str, Any]]:
    """Return each GPU's index, name, utilization in [0, 1], and used and total memory in bytes; none without a GPU."""
    command = ["nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [gpu for row in csv.reader(result.stdout.splitlines(), skipinitialspace=True) if (gpu := _gpu(row))]


def _gpu(row: list[str]) -> dict[str, Any] | None:
    """Return one GPU's figures; None for a line of another form, as of a GPU that reports no utilization."""
    try:
        index, name, utilization, used, total = row
        return {
            "index": int(index),
            "name": name,
            "utilization": float(utilization) / 100,
            "memory_used_bytes": int(used) * MIB,
            "memory_total_bytes": int(total) * MIB,
        }
    except ValueError:
        return None


class HostFacts:
    """The facts of one service's host; GPUs are asked in a thread, so that no report waits for them."""

    def __init__(self, home: Path, query: Callable[[], list[dict[str, Any]]] = query_gpus) -> None:
        """Report on the disk of `home`, and the GPUs that `query` returns."""
        self._home, self._query = home, query
        self._gpus: list[dict[str, Any]] = []
        self._sampled_s = -SAMPLE_INTERVAL_S
        if shutil.which("nvidia-smi") or query is not query_gpus:
            self._sample()
        else:
            self._sampled_s = float("inf")

    def report(self) -> dict[str, Any]:
        """Return the facts; those of GPUs are of the sample before, and the next one is started if it is due."""
        if monotonic() - self._sampled_s >= SAMPLE_INTERVAL_S:
            self._sample()
        return {"home": str(self._home.resolve()), "disk_free_bytes": free_bytes(self._home), "gpus": self._gpus}

    def _sample(self) -> None:
        self._sampled_s = monotonic()
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        self._gpus = self._query()
