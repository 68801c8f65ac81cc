"""Keeps what a benchmark printed as a record; `lab.operations.figures` writes its table into `docs/benchmarks.md`."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lab.operations.figures import FOLDER


def keep_figures(name: str, command: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a record, and return its file; `python -m lab.operations.generate` then writes the table."""
    path = FOLDER / f"{name}.json"
    record = {
        "command": command,
        "date": datetime.now(tz=UTC).date().isoformat(),
        "machine": machine(),
        "columns": list(columns),
        "rows": [list(row) for row in rows],
    }
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return path


def machine() -> str:
    """Return this machine in a few words: cores, processor, Python and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    load = os.getloadavg()[1]
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, load average {load:.0f}"
