"""How many published layer files pass unchanged: `python -m benchmarks.layers FOLDER`.

Every Python file in the folder goes through the checks of `move37 check`: the static check, then the gates, all in one
jail. Prints one JSON document: the number that passed, the number of honest rejections, and every other refusal with
its reason. A rejection is honest if it names a property of the layer: a leak, or a cost that grows with the square of
the length. `--out FILE` also writes one line of JSON for each file as it finishes.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lab.operations.standalone import static_refusal
from sandbox import Jail
from trainer.standalone import check_in_jail, open_jail

HONEST_REASONS = frozenset({"causality", "length_dependence", "batch_leak", "superlinear"})
"""The layer's outputs depend on the future, the length or other rows, or the layer is not linear attention."""


def check_file(path: Path, jail: Jail) -> dict[str, Any]:
    """Check one file and return its verdict, with the first evidence and the wall seconds."""
    start = time.monotonic()
    verdict = _verdict(path, jail)
    passed = verdict["verdict"] == "passed"
    evidence = "" if passed else str(verdict["evidence"][0]).strip()
    return {
        "file": path.name,
        "verdict": verdict["verdict"],
        "stage": verdict["stage"],
        "why": evidence.splitlines()[0][:300] if evidence else "",
        "tail": "" if passed else str(verdict.get("tail", ""))[-2000:] or evidence[-2000:],
        "seconds": round(time.monotonic() - start, 1),
    }


def _verdict(path: Path, jail: Jail) -> dict[str, Any]:
    """Return the verdict on one file, "unreadable" if it is not Python."""
    try:
        return static_refusal(path) or check_in_jail(jail, path)
    except ValueError as error:
        return {"verdict": "unreadable", "stage": "static", "evidence": [str(error)]}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts, the honest rejections and the other refusals, by file."""
    verdicts = Counter(row["verdict"] for row in rows)
    refused = [row for row in rows if row["verdict"] not in HONEST_REASONS | {"passed"}]
    return {
        "files": len(rows),
        "passed": verdicts["passed"],
        "rejected_honestly": sum(verdicts[reason] for reason in HONEST_REASONS),
        "refused": len(refused),
        "verdicts": dict(verdicts.most_common()),
        "honest": {row["file"]: f"{row['verdict']}: {row['why']}" for row in rows if row["verdict"] in HONEST_REASONS},
        "others": {row["file"]: f"{row['stage']}, {row['verdict']}: {row['why']}" for row in refused},
    }


def main() -> None:
    """Check every file and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--match", default="*.py", help="only files that match this shell pattern")
    parser.add_argument("--out", type=Path, help="write a line of JSON for each file as it finishes")
    options = parser.parse_args()
    rows = []
    with open_jail("bwrap") as jail:
        for path in sorted(options.folder.glob(options.match)):
            rows.append(check_file(path, jail))
            if options.out:
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    print(json.dumps(summary(rows), indent=1))


if __name__ == "__main__":
    main()
