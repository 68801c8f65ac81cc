"""The live monitor: reads a run's losses, step times and memory, and reports what no honest run shows.

The thresholds are those of `trainer.scales.MonitorThresholds`.

- not_finite: a loss is NaN or infinite.
- diverged: after warm-up, a loss is over `divergence_nats` above its best reading, `divergence_readings` times in a
  row. A harder level of a task starts a new best, from the first reading that has no step of the level before.
- stalled: by half of the steps, the text loss has fallen by less than `min_progress` of its first reading.
- loss_too_low: a loss is below zero, or the text loss is below the corpus' entropy floor. Or the text loss, before half
  of the steps, is below `leak_ratio` times the final training loss of the best baseline: then later tokens leak into
  the prediction. Both are training losses, because held-out documents may be harder or easier.
- too_slow: after `warmup_steps`, the median CPU seconds of a step, over the readings, exceed `slow_ratio` times those
  of the baselines.
- memory_growth: the readings since `warmup_steps` are divided into thirds, and the median memory of each third is
  `memory_growth_mb` MiB above that of the third before. The memory of an honest run is level, since its steps are
  alike. A single jump, such as a table built once, raises one third only. The rule misses slower growth, and all memory
  on a GPU.

Times are CPU seconds of all the run's processes, as the kernel counts them: the run does not report them, and a busy
machine is not the candidate's fault. Poor recall is no anomaly: weak mixers stay at chance.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median, median_low

from bus.vocabulary.events import AnomalyKind, Peer
from trainer.scales import Scale

MIN_READINGS_PER_THIRD = 3
"""Memory readings in each third before thirds are compared."""


@dataclass(frozen=True)
class Reading:
    """A run's report, one every few steps."""

    step: int
    """Steps completed."""
    losses: dict[str, float]
    """Nats per target of each task, averaged since the previous reading; not finite if training broke."""
    step_seconds: float
    """Mean CPU seconds of a step since the previous reading, over all the run's processes, as counted from outside."""
    memory_bytes: int | None = None
    """Private memory as counted from outside; None if it could not be read."""


@dataclass(frozen=True)
class AnomalyFinding:
    """An anomaly, the step at which the monitor found it, and its evidence."""

    kind: AnomalyKind
    step: int
    evidence: str


def below_entropy_floor(task: str, loss: float, floor: float) -> str:
    """Return the evidence that a loss on text is below its entropy floor, both in nats per byte; '' if it is not."""
    return f"{task} loss {loss:.3f} is below the corpus' entropy floor {floor:.3f}" if loss < floor else ""


class Monitor:
    """Checks the readings of one run, in order. Private methods return evidence, or '' if their rule holds."""

    def __init__(
        self, scale: Scale, entropy_floor: float, bytes_per_token: Mapping[str, float], peer: Peer | None = None
    ) -> None:
        """Start with no readings.

        - `entropy_floor`: of the corpus, in nats per byte;
        - `bytes_per_token`: of each task on text;
        - `peer`: the baselines' step time and loss; without it, the monitor judges neither speed nor early leaks.
        """
        self._scale, self._peer = scale, peer
        self._entropy_floor, self._bytes_per_token = entropy_floor, bytes_per_token
        self._first_loss: dict[str, float] = {}
        self._best_loss: dict[str, float] = {}
        self._readings_above: dict[str, int] = {}
        self._level: dict[str, int] = {}
        self._last_step = 0
        self._step_seconds: list[float] = []
        self._memory_mb: list[tuple[int, float]] = []

    def observe(self, reading: Reading) -> AnomalyFinding | None:
        """Return the anomaly that this reading shows; None if it shows none."""
        finding = self._find(reading)
        self._last_step = reading.step
        return finding

    def _find(self, reading: Reading) -> AnomalyFinding | None:
        """Apply all rules to a reading."""
        self._step_seconds.append(reading.step_seconds)
        for task, loss in reading.losses.items():
            if anomaly := self._check_loss(task, loss, reading.step):
                return AnomalyFinding(anomaly[0], reading.step, anomaly[1])
        if evidence := self._slowness(reading.step):
            return AnomalyFinding("too_slow", reading.step, evidence)
        if evidence := self._memory_growth(reading):
            return AnomalyFinding("memory_growth", reading.step, evidence)
        return None

    def _check_loss(self, task: str, loss: float, step: int) -> tuple[AnomalyKind, str] | None:
        """Apply the rules on one task's loss in the order of the list above."""
        if not math.isfinite(loss):
            return "not_finite", f"{task} loss is {loss} at step {step}"
        self._first_loss.setdefault(task, loss)
        if evidence := self._divergence(task, loss, step):
            return "diverged", evidence
        if task in self._bytes_per_token and (evidence := self._stall(task, loss, step)):
            return "stalled", evidence
        if evidence := self._implausible_loss(task, loss, step):
            return "loss_too_low", evidence
        return None

    def _divergence(self, task: str, loss: float, step: int) -> str:
        """Compare the loss with the best so far on this level of difficulty, then update the best."""
        first, level = (self._scale.level(task, at) for at in (self._last_step, step - 1))
        if level != self._level.get(task, level):
            self._best_loss.pop(task, None)
        self._level[task] = level
        if first != level:  # the mean over two levels is the loss of neither
            self._readings_above[task] = 0
            return ""
        best, limit = self._best_loss.get(task, loss), self._scale.monitor.divergence_nats
        above = step > self._scale.warmup_steps and loss > best + limit
        count = self._readings_above[task] = self._readings_above.get(task, 0) + 1 if above else 0
        self._best_loss[task] = min(best, loss)
        if count < self._scale.monitor.divergence_readings:
            return ""
        return f"{task} loss {loss:.3f} is over {limit} above its best {best:.3f}, {count} readings in a row"

    def _stall(self, task: str, loss: float, step: int) -> str:
        """Require some progress by half of the steps."""
        first, progress = self._first_loss[task], self._scale.monitor.min_progress
        if step < self._scale.steps / 2 or self._best_loss[task] <= (1 - progress) * first:
            return ""
        return f"{task} loss {loss:.3f} at step {step} has shed under {progress:.0%} of its first {first:.3f}"

    def _implausible_loss(self, task: str, loss: float, step: int) -> str:
        """Compare the loss with zero, the entropy floor and the best baseline."""
        if loss < 0:
            return f"{task} loss {loss:.3f} is below zero"
        if task not in self._bytes_per_token:
            return ""
        nats_per_byte = loss / self._bytes_per_token[task]
        if evidence := below_entropy_floor(task, nats_per_byte, self._entropy_floor):
            return evidence
        return self._early_leak(task, nats_per_byte, step) if task == self._scale.fitness_text_task else ""

    def _early_leak(self, task: str, loss: float, step: int) -> str:
        """Compare an early loss, in nats per byte, with the best baseline's final training loss."""
        best = self._peer and self._peer.text_loss
        if best is None or step >= self._scale.steps / 2 or loss >= self._scale.monitor.leak_ratio * best:
            return ""
        return f"{task} loss {loss:.3f} at step {step} of {self._scale.steps}; the best baseline ended at {best:.3f}"

    def _slowness(self, step: int) -> str:
        """Compare the median step with the baselines' own."""
        if self._peer is None or step < self._scale.monitor.warmup_steps:
            return ""
        own, baselines = median(self._step_seconds), self._peer.step_seconds
        if own <= self._scale.monitor.slow_ratio * baselines:
            return ""
        return f"a step takes {own * 1e3:.1f} ms of CPU, the baselines' {baselines * 1e3:.1f} ms"

    def _memory_growth(self, reading: Reading) -> str:
        """Compare the thirds of the memory readings since warm-up."""
        if reading.memory_bytes is None or reading.step < self._scale.monitor.warmup_steps:
            return ""
        self._memory_mb.append((reading.step, reading.memory_bytes / 2**20))
        size = len(self._memory_mb) // 3
        if size < MIN_READINGS_PER_THIRD:
            return ""
        thirds = [self._memory_mb[-size * n :][:size] for n in (3, 2, 1)]
        first, second, last = (median_low(mb for _, mb in third) for third in thirds)
        if min(second - first, last - second) < self._scale.monitor.memory_growth_mb:
            return ""
        steps = median(step for step, _ in thirds[2]) - median(step for step, _ in thirds[0])
        rate = 100 * (last - first) / steps
        return f"memory grows by {rate:.1f} MiB in 100 steps: {first:.0f} MiB, then {second:.0f}, now {last:.0f}"
