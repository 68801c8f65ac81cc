"""Loss readings of runs under way, thinned so that a long run costs no more than a short one."""

from collections import OrderedDict

from bus.vocabulary.events import LossPoint

MAX_RUNS = 512
"""Runs whose readings are kept, the newest ones."""
MAX_POINTS = 400
"""Readings kept of one task of a run; at this number, every other one is dropped."""

Series = list[tuple[int, float]]
"""Step and loss, nats per target, in the order of arrival."""


class Readings:
    """The readings of the newest runs."""

    def __init__(self) -> None:
        """Start without any."""
        self._runs: OrderedDict[str, dict[str, Series]] = OrderedDict()
        self.progress: dict[str, float] = {}
        """Fraction of the training steps done, by run."""

    def add(self, point: LossPoint) -> None:
        """Add a reading."""
        tasks = self._runs.setdefault(point.run, {})
        series = tasks.setdefault(point.task, [])
        series.append((point.step, point.loss))
        if len(series) >= MAX_POINTS:
            tasks[point.task] = series[::2]
        self.progress[point.run] = min(1.0, point.step / point.steps)
        if len(self._runs) > MAX_RUNS:
            run, _ = self._runs.popitem(last=False)
            self.progress.pop(run, None)

    def of(self, run: str) -> dict[str, Series]:
        """Return the readings of a run by task; empty if there are none."""
        return self._runs.get(run, {})

    def newest(self, run: str) -> dict[str, float]:
        """Return the newest reading of each task of a run."""
        return {task: series[-1][1] for task, series in self.of(run).items()}
