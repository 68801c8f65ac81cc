"""Take the documentation's pictures of the dashboard: `python -m benchmarks.dashboard_pictures LOG FOLDER`.

LOG is what `move37 export-log` writes. The pictures are of the views at 1280 by 800 pixels, two light and one dark.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bus.audit import log_file
from lab.operations.archive import read_experiments
from tests.support.browser import WIDE, chromium, opened
from tests.support.recorded_lab import RecordedLab, served

SETTLED_MS = 1_500
"""Milliseconds after which charts have drawn themselves."""


def main() -> None:
    """Write `leaderboard.png`, `experiment.png` and `lineage.png`."""
    log, folder = Path(sys.argv[1]), Path(sys.argv[2])
    lab = RecordedLab(log_file.read_log(log))
    lab.scores = {row.id: row.score for row in read_experiments(log) if row.score is not None}
    folder.mkdir(parents=True, exist_ok=True)
    with served(lab) as url, chromium() as browser:
        for name, address, dark in (
            ("leaderboard", "leaderboard", False),
            ("experiment", f"experiment/{_best(lab)}", False),
            ("lineage", f"lineage?at={lab.history.last - 1}", True),
        ):
            with opened(browser, f"{url}#/{address}", WIDE, dark=dark) as page:
                page.locator("#main h1").wait_for()
                page.wait_for_timeout(SETTLED_MS)
                page.screenshot(path=folder / f"{name}.png")


def _best(lab: RecordedLab) -> str:
    """Return the candidate with the highest score, or fitness."""
    rows = [row for row in lab.history.rows.values() if "fitness" in row and row.get("origin") != "baseline"]

    def merit(row: Mapping[str, Any]) -> float:
        score = lab.scores.get(row["id"])
        return float(row["fitness"] if score is None else score)

    return max(rows, key=merit)["id"]


if __name__ == "__main__":
    main()
