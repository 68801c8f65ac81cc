"""The live monitor: reads a run's losses, step times and memory, and says when no honest run would look like this.

- not_finite: any loss is not.
- diverged: a loss stays `rise` nats above its best reading for `patience` readings in a row, after warm-up; a
  harder level of a task begins anew.
- stalled: by half of the steps the text loss has shed less than `progress` of its first reading.
- loss_too_low: any loss is below zero; the text loss is below the corpus' entropy floor, or before half of the steps
  below `honest` of the training loss that the best baseline ended with. Then the future is leaking. Losses in training
  are compared with losses in training: held-out documents may be harder, or easier.
- too_slow: the median CPU seconds of a step are over `slow` times the baselines' own, after `settle` steps.
- memory_growth: since `settle` steps, the median memory of each third of the readings lies `hoard` MiB above the third
  before. Training steps are alike, so an honest run's memory is level; a jump, such as a table built once, moves one
  third against the next, not both. Growth below that is not seen, nor is any on a GPU.

Times are CPU seconds, not wall seconds, because a busy machine is not the candidate's fault. A poor recall is no
anomaly: staying at chance there is what weak mixers honestly do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median, median_low

from bus.vocabulary.events import AnomalyKind, Peer
from trainer.scales import Scale

MIN_READINGS_PER_THIRD = 3
"""Readings in a third of a run's memory before thirds are compared."""


@dataclass(frozen=True)
class Reading:
    """What a run reports every few steps."""

    step: int
    """Steps done."""
    losses: dict[str, float]
    """Nats per target of each task, averaged since the reading before; not finite where training broke."""
    step_seconds: float
    """Median CPU seconds of a step since the reading before."""
    memory: int | None = None
    """Bytes of private memory, as counted from outside; None where that could not be read."""


@dataclass(frozen=True)
class AnomalyFinding:
    """An anomaly with its evidence."""

    kind: AnomalyKind
    step: int
    evidence: str


def below_entropy_floor(task: str, loss: float, floor: float) -> str:
    """Say where a loss on text lies below its entropy floor, both in nats per byte; the examination asks it too."""
    return f"{task} loss {loss:.3f} is below the corpus' entropy floor {floor:.3f}" if loss < floor else ""


class Monitor:
    """Reads one run, in order."""

    def __init__(self, scale: Scale, floor: float, sizes: Mapping[str, float], peer: Peer | None = None) -> None:
        """`floor` is the corpus' entropy floor in nats per byte, `sizes` the bytes of a token of each task on text.

        Without a peer, speed and early leaks go unjudged.
        """
        self._scale, self._floor, self._sizes, self._peer = scale, floor, sizes, peer
        self._first: dict[str, float] = {}
        self._best: dict[str, float] = {}
        self._above: dict[str, int] = {}
        self._level: dict[str, int] = {}
        self._times: list[float] = []
        self._memory: list[tuple[int, float]] = []

    def observe(self, reading: Reading) -> AnomalyFinding | None:
        """Return what is wrong with the run as of this reading, if anything is."""
        self._times.append(reading.step_seconds)
        for task, loss in reading.losses.items():
            found = self._judge(task, loss, reading.step)
            if found:
                return AnomalyFinding(found[0], reading.step, found[1])
        if slow := self._slow(reading.step):
            return AnomalyFinding("too_slow", reading.step, slow)
        grown = self._grown(reading)
        return AnomalyFinding("memory_growth", reading.step, grown) if grown else None

    def _judge(self, task: str, loss: float, step: int) -> tuple[AnomalyKind, str] | None:
        """Judge one task's loss; the order of the rules is the order of the table."""
        if not math.isfinite(loss):
            return "not_finite", f"{task} loss is {loss} at step {step}"
        self._first.setdefault(task, loss)
        if diverged := self._diverged(task, loss, step):
            return "diverged", diverged
        if task in self._sizes and (stalled := self._stalled(task, loss, step)):
            return "stalled", stalled
        low = self._low(task, loss, step)
        return ("loss_too_low", low) if low else None

    def _diverged(self, task: str, loss: float, step: int) -> str:
        """Compare with the best reading so far of this level of difficulty, which this one may then become."""
        level = self._scale.level(task, step - 1)
        if level != self._level.get(task, level):
            self._best.pop(task)
        self._level[task] = level
        best, rise = self._best.get(task, loss), self._scale.monitor.divergence_nats
        high = step > self._scale.warmup_steps and loss > best + rise
        self._above[task] = self._above.get(task, 0) + 1 if high else 0
        self._best[task] = min(best, loss)
        if self._above[task] < self._scale.monitor.divergence_readings:
            return ""
        return f"{task} loss {loss:.3f} is over {rise} above its best {best:.3f}, {self._above[task]} readings in a row"

    def _stalled(self, task: str, loss: float, step: int) -> str:
        """Ask for a little progress by half of the steps."""
        first, progress = self._first[task], self._scale.monitor.min_progress
        if step < self._scale.steps / 2 or self._best[task] <= (1 - progress) * first:
            return ""
        return f"{task} loss {loss:.3f} at step {step} has shed under {progress:.0%} of its first {first:.3f}"

    def _low(self, task: str, loss: float, step: int) -> str:
        """Compare with what the data and the baselines allow."""
        if loss < 0:
            return f"{task} loss {loss:.3f} is below zero"
        if task not in self._sizes:
            return ""
        loss /= self._sizes[task]  # nats per byte from here on
        if low := below_entropy_floor(task, loss, self._floor):
            return low
        best = self._peer and self._peer.text_loss
        if best is None or task != self._scale.text_of_record or step >= self._scale.steps / 2:
            return ""
        if loss >= self._scale.monitor.leak_ratio * best:
            return ""
        return f"{task} loss {loss:.3f} at step {step} of {self._scale.steps}; the best baseline ended at {best:.3f}"

    def _slow(self, step: int) -> str:
        """Compare the median step with the baselines' own."""
        if self._peer is None or step < self._scale.monitor.warmup_steps:
            return ""
        own, theirs = median(self._times), self._peer.step_seconds
        if own <= self._scale.monitor.slow_ratio * theirs:
            return ""
        return f"a step takes {own * 1e3:.1f} ms of CPU, the baselines' {theirs * 1e3:.1f} ms"

    def _grown(self, reading: Reading) -> str:
        """Compare the thirds of what was read of the memory since the run has settled."""
        if reading.memory is None or reading.step < self._scale.monitor.warmup_steps:
            return ""
        self._memory.append((reading.step, reading.memory / 2**20))
        third = len(self._memory) // 3
        if third < MIN_READINGS_PER_THIRD:
            return ""
        first, middle, last = (self._memory[-third * n :][:third] for n in (3, 2, 1))
        low, half, high = (median_low(held for _, held in part) for part in (first, middle, last))
        if min(half - low, high - half) < self._scale.monitor.memory_growth_mb:
            return ""
        steps = median(step for step, _ in last) - median(step for step, _ in first)
        pace = 100 * (high - low) / steps
        return f"memory grows by {pace:.1f} MiB in 100 steps: {low:.0f} MiB, then {half:.0f}, now {high:.0f}"
