"""How fast the dashboard is in a headless Chromium: the first paint, and interactions until the page shows a result.

    python -m benchmarks.dashboard [--experiments 10000] [--events 36]

A synthetic log is served as a lab's. An interaction is timed in the page, from the input to the frame after the change.
On a busy machine the wall time says little; the CPU time of the page's main thread is next to it.
"""

import argparse
import statistics

from playwright.sync_api import Browser, Page

from tests.support.browser import chromium
from tests.support.recorded_lab import RecordedLab, served
from tests.support.synthetic_log import synthetic_log

REPEATS = 5
COLUMNS = ("interaction", "median of five, ms", "largest, ms", "CPU of the page, ms")
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
        "log: older events", "log", "document.querySelector('.pager button').click()",
        "document.querySelectorAll('.log li').length === 200",
    ),
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


Times = list[tuple[float, float]]
"""Wall and CPU milliseconds of each repetition."""


class Stopwatch:
    """Measures on one page: wall time, and CPU time of the page's main thread."""

    def __init__(self, page: Page, url: str) -> None:
        """Measure on a page of this address."""
        self._page, self._url = page, url
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def load(self, view: str) -> tuple[float, float, float]:
        """Load a view, and return the milliseconds until the first paint, and until its rows: wall and CPU."""
        page = self._page
        page.goto("about:blank")
        before = self._busy_s()
        page.goto(f"{self._url}#/{view}")
        page.wait_for_selector(".board tbody tr, .tree canvas[data-nodes], .log li", timeout=60_000)
        rows, cpu = page.evaluate("performance.now()"), 1000 * (self._busy_s() - before)
        return page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"), rows, cpu

    def interact(self, view: str, action: str, done: str) -> tuple[float, float]:
        """Return the wall and the CPU milliseconds of one interaction on a fresh view."""
        self.load(view)
        self._page.wait_for_timeout(400)
        before = self._busy_s()
        wall = self._page.evaluate(FRAME, [action, done])
        return wall, 1000 * (self._busy_s() - before)

    def _busy_s(self) -> float:
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def measure(browser: Browser, url: str) -> dict[str, Times]:
    """Return the times of every interaction, the start of the page first."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True)
    watch = Stopwatch(context.new_page(), url)
    starts = [watch.load("leaderboard") for _ in range(REPEATS)]
    times: dict[str, Times] = {
        "first paint": [(paint, 0.0) for paint, _, _ in starts],
        "first rows": [(rows, cpu) for _, rows, cpu in starts],
    }
    for name, *interaction in INTERACTIONS:
        times[name] = [watch.interact(*interaction) for _ in range(REPEATS)]
    context.close()
    return times


def row(name: str, times: Times) -> list[object]:
    """Return a row of figures: median and largest wall time, median CPU time."""
    walls, cpus = zip(*times, strict=True)
    cpu = statistics.median(cpus)
    return [name, round(statistics.median(walls)), round(max(walls)), round(cpu) if cpu else None]


def main() -> None:
    """Print the figures as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=36, help="events of each experiment at most, 20 on average")
    options = parser.parse_args()
    lab = RecordedLab(synthetic_log(options.experiments, options.events))
    with served(lab) as url, chromium() as browser:
        times = measure(browser, url)
    print(f"{len(lab.events):,} events\n\n| {' | '.join(COLUMNS)} |\n| {' | '.join('---' for _ in COLUMNS)} |")
    for name, each in times.items():
        print(f"| {' | '.join('' if cell is None else str(cell) for cell in row(name, each))} |")


if __name__ == "__main__":
    main()
