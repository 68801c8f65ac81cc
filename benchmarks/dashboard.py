"""How fast the dashboard is in a headless Chromium: the first paint, and interactions until the page shows a result.

    python -m benchmarks.dashboard [--experiments 10000] [--events 20] [--json | --keep]

A synthetic log is served as a lab's. An interaction is timed in the page, from the input to the frame after the change.
On a busy machine the wall time says little; the CPU time of the page's main thread is next to it.
"""

import argparse
import json
import statistics
import time

from playwright.sync_api import Browser, Page

from benchmarks.figures import keep_figures
from tests.support.browser import chromium, opened
from tests.support.recorded_lab import RecordedLab, served
from tests.support.synthetic_log import synthetic_log

REPEATS = 3
NOT_TIMES = ("events", "fold, s")
FRAME = """async ([action, done]) => {
  const act = new Function(action), ready = new Function(`return (${done})`);
  const start = performance.now();
  act();
  while (!ready()) {
    if (performance.now() - start > 20000) throw new Error(`no result of: ${action}`);
    await new Promise((next) => setTimeout(next, 1));
  }
  await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  return performance.now() - start;
}"""
"""Returns the milliseconds from an action until its result is painted."""
TYPE = (
    "const field = document.querySelector('#main input[type=search]'); field.value = {!r}; "
    "field.dispatchEvent(new Event('input', {{bubbles: true}}))"
)
SEEK = (
    "const range = document.querySelector('#scrubber input'); range.value = Math.round(range.max / 2); "
    "range.dispatchEvent(new Event('input'))"
)
EVERY = "document.querySelector({0!r}) && [...document.querySelectorAll({0!r})].every((each) => each.{1})"
INTERACTIONS: tuple[tuple[str, str, str, str], ...] = (
    (
        "leaderboard: sort by loss", "leaderboard", "document.querySelector('[data-sort=loss]').click()",
        "document.querySelector('[data-sort=loss]').closest('[aria-sort]')",
    ),
    (
        "leaderboard: filter", "leaderboard", TYPE.format("ssd"),
        EVERY.format(".board tbody .name", "title.includes('ssd')"),
    ),
    (
        "leaderboard: next page", "leaderboard", "document.querySelector('.pager button:last-child').click()",
        "document.querySelector('.pager')?.textContent.includes('page 2')",
    ),
    (
        "lineage: collapse leaves", "lineage",
        "[...document.querySelectorAll('button')].find((each) => each.textContent === 'Collapse leaves').click()",
        "document.querySelector('.tree canvas').dataset.collapsed > 0",
    ),
    (
        "lineage: zoom", "lineage",
        (
            "document.querySelector('.tree canvas').dispatchEvent(new WheelEvent('wheel', "
            "{deltaY: -300, clientX: 600, clientY: 400, bubbles: true, cancelable: true}))"
        ),
        "true",
    ),
    (
        "log: filter by type", "log", TYPE.format("type:CodeRevised"),
        EVERY.format(".log .kind", "textContent === 'CodeRevised'"),
    ),
    ("log: search text", "log", TYPE.format("ssd"), EVERY.format(".log .what", "textContent.includes('ssd')")),
    (
        "scrub to the middle", "leaderboard", SEEK,
        "document.querySelector('#scrubber').classList.contains('past') && location.hash.includes('at=')",
    ),
    (
        "open an experiment", "leaderboard", "location.hash = '#/experiment/e0100'",
        "document.title.startsWith('e0100') && document.querySelector('[data-part=trail] li')",
    ),
    (
        "view: Lineage", "leaderboard", "location.hash = '#/lineage'",
        "document.querySelector('.tree canvas')?.dataset.nodes",
    ),
    ("view: Now", "leaderboard", "location.hash = '#/now'", "document.querySelector('[data-part=log] li')"),
)  # fmt: skip
"""Name, view, action, and what holds once its result is there."""


def measure_start(browser: Browser, url: str) -> dict[str, float]:
    """Return milliseconds of a load: until the first paint, and until the leaderboard has its rows."""
    with opened(browser, url + "#/leaderboard") as page:
        page.wait_for_selector(".board tbody tr", timeout=60_000)
        rows = page.evaluate("performance.now()")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return {"first paint": paint, "first rows": rows}


class Stopwatch:
    """Measures interactions on one page: wall time, and CPU time of the page's main thread."""

    def __init__(self, page: Page, url: str) -> None:
        """Measure on a page of this address."""
        self._page, self._url = page, url
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def measure(self, view: str, action: str, done: str) -> tuple[float, float]:
        """Return the wall and the CPU milliseconds of one interaction on a fresh view."""
        page = self._page
        page.goto("about:blank")
        page.goto(f"{self._url}#/{view}")
        page.wait_for_selector(".board tbody tr, .tree canvas[data-nodes], .log li", timeout=60_000)
        page.wait_for_timeout(400)
        before = self._busy_s()
        wall = page.evaluate(FRAME, [action, done])
        return wall, 1000 * (self._busy_s() - before)

    def _busy_s(self) -> float:
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def main() -> None:
    """Print the figures in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=20, help="events of each experiment, about")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write the record of docs/benchmarks.md")
    options = parser.parse_args()
    start = time.perf_counter()
    lab = RecordedLab(synthetic_log(options.experiments, options.events))
    figures: dict[str, float] = {"events": len(lab.events), "fold, s": round(time.perf_counter() - start, 1)}
    cpu: dict[str, float] = {}
    with served(lab) as url, chromium() as browser:
        starts = [measure_start(browser, url) for _ in range(REPEATS)]
        figures |= {name: statistics.median(each[name] for each in starts) for name in starts[0]}
        context = browser.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True)
        page = context.new_page()
        watch = Stopwatch(page, url)
        for name, view, action, done in INTERACTIONS:
            times = [watch.measure(view, action, done) for _ in range(REPEATS)]
            figures[name], cpu[name] = (statistics.median(each) for each in zip(*times, strict=True))
        context.close()
    if options.json:
        print(json.dumps(figures | {f"{name}, CPU": value for name, value in cpu.items()}))
        return
    if options.keep:
        command = f"python -m benchmarks.dashboard --experiments {options.experiments} --events {options.events}"
        shown = [(name, round(value), None if name not in cpu else round(cpu[name])) for name, value in figures.items()]
        columns = ("interaction, median of three", "wall, ms", "CPU of the page, ms")
        keep_figures("dashboard", command, columns, [row for row in shown if row[0] not in NOT_TIMES])
    for name, value in figures.items():
        unit = "" if name in NOT_TIMES else " ms"
        print(f"{name:<28}{value:>10,.0f}{unit}{f'{cpu[name]:>10,.0f} ms CPU' if name in cpu else ''}")


if __name__ == "__main__":
    main()
