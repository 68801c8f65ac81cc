"""How many published layer files pass as they are: `python -m benchmarks.layers FOLDER`.

Every Python file in the folder goes through what `move37 check` does: the static check, then the gates, all in one
jail. Prints one JSON document: how many passed, how many were rejected honestly (what the gates saw is a property of
the layer: a leak, cost that grows with the square of the length), and every other refusal with its reason. `--out FILE`
also writes a line of JSON a file as they come.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lab.operations.standalone import static_refusal
from sandbox import Jail
from trainer.standalone import check_in, opened_jail

HONEST = frozenset({"causality", "batch_leak", "superlinear"})
"""Reasons that a layer can't help: its outputs depend on the future or on other rows, or it is no linear attention."""


def tried(path: Path, jail: Jail) -> dict[str, Any]:
    """Return what came of one file, in seconds of the clock."""
    begun = time.monotonic()
    verdict = _checked(path, jail)
    passed = verdict["verdict"] == "passed"
    said = "" if passed else str(verdict["evidence"][0]).strip()
    return {
        "file": path.name,
        "verdict": verdict["verdict"],
        "stage": verdict["stage"],
        "why": said.splitlines()[0][:300] if said else "",
        "tail": "" if passed else str(verdict.get("tail", ""))[-2000:] or said[-2000:],
        "seconds": round(time.monotonic() - begun, 1),
    }


def _checked(path: Path, jail: Jail) -> dict[str, Any]:
    """Return the verdict on one file, also where it is no Python at all."""
    try:
        return static_refusal(path) or check_in(jail, path)
    except ValueError as error:
        return {"verdict": "unreadable", "stage": "static", "evidence": [str(error)]}


def summed_up(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts, and the refusals that are not honest, reason by reason."""
    verdicts = Counter(row["verdict"] for row in rows)
    refused = [row for row in rows if row["verdict"] not in HONEST | {"passed"}]
    return {
        "files": len(rows),
        "passed": verdicts["passed"],
        "rejected_honestly": sum(verdicts[reason] for reason in HONEST),
        "refused": len(refused),
        "verdicts": dict(verdicts.most_common()),
        "honest": {row["file"]: f"{row['verdict']}: {row['why']}" for row in rows if row["verdict"] in HONEST},
        "others": {row["file"]: f"{row['stage']}, {row['verdict']}: {row['why']}" for row in refused},
    }


def main() -> None:
    """Try every file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--match", default="*.py", help="which files of it, as the shell would write it")
    parser.add_argument("--out", type=Path, help="a line of JSON a file, written as they come")
    chosen = parser.parse_args()
    rows = []
    with opened_jail("bwrap") as jail:
        for path in sorted(chosen.folder.glob(chosen.match)):
            rows.append(tried(path, jail))
            if chosen.out:
                with chosen.out.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(rows[-1]) + "\n")
    print(json.dumps(summed_up(rows), indent=1))


if __name__ == "__main__":
    main()
