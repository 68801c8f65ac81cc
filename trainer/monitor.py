"""The live monitor: a pure reader of a run's losses and step times that says when no honest run would look like this.

| kind | what is held against what | why |
| --- | --- | --- |
| not_finite | any loss | nothing after it can be learned |
| diverged | a loss `rise` nats above its best reading, `patience` readings in a row, after warm-up | it won't come back in time |
| stalled | the text loss at half of the steps has shed less than `progress` of its first reading | the gradient doesn't reach |
| loss_too_low | a text loss under the corpus' entropy floor; any loss below zero; a text loss before half of the steps under `honest` of the best baseline's final one | the future is leaking |
| too_slow | the median CPU seconds of a step over `slow` times the baselines' own, after `warm_up` steps | it will not scale |

Times are CPU seconds, not wall seconds, because a busy machine is not the candidate's fault. A poor recall is no
anomaly: staying at chance there is what weak mixers honestly do.
"""

import math
from dataclasses import dataclass
from statistics import median

from bus.events import AnomalyKind, Peer
from trainer.scales import Scale

TEXT = "text"


@dataclass(frozen=True)
class Reading:
    """What a run reports every few steps."""

    step: int
    """Steps done."""
    losses: dict[str, float]
    """Nats per target of each task, averaged since the reading before; not finite where training broke."""
    step_seconds: float
    """Median CPU seconds of a step since the reading before."""


@dataclass(frozen=True)
class Finding:
    """An anomaly with its evidence."""

    kind: AnomalyKind
    step: int
    evidence: str


class Monitor:
    """Reads one run, in order."""

    def __init__(self, scale: Scale, floor: float, peer: Peer | None = None) -> None:
        """`floor` is the corpus' entropy floor in nats per byte; without a peer, speed and leaks go unjudged."""
        self._scale, self._floor, self._peer = scale, floor, peer
        self._first: dict[str, float] = {}
        self._best: dict[str, float] = {}
        self._above: dict[str, int] = {}
        self._times: list[float] = []

    def observe(self, reading: Reading) -> Finding | None:
        """Return what is wrong with the run as of this reading, if anything is."""
        self._times.append(reading.step_seconds)
        for task, loss in reading.losses.items():
            found = self._judge(task, loss, reading.step)
            if found:
                return Finding(found[0], reading.step, found[1])
        slow = self._slow(reading.step)
        return Finding("too_slow", reading.step, slow) if slow else None

    def _judge(self, task: str, loss: float, step: int) -> tuple[AnomalyKind, str] | None:
        """Judge one task's loss; the order of the rules is the order of the table."""
        if not math.isfinite(loss):
            return "not_finite", f"{task} loss is {loss} at step {step}"
        self._first.setdefault(task, loss)
        if diverged := self._diverged(task, loss, step):
            return "diverged", diverged
        if task == TEXT and (stalled := self._stalled(loss, step)):
            return "stalled", stalled
        low = self._low(task, loss, step)
        return ("loss_too_low", low) if low else None

    def _diverged(self, task: str, loss: float, step: int) -> str:
        """Compare with the best reading so far, which this one may then become."""
        best = self._best.get(task, loss)
        high = step > self._scale.warm_up and loss > best + self._scale.watch.rise
        self._above[task] = self._above.get(task, 0) + 1 if high else 0
        self._best[task] = min(best, loss)
        if self._above[task] < self._scale.watch.patience:
            return ""
        return f"{task} loss {loss:.3f} is more than {self._scale.watch.rise} above its best {best:.3f}, {self._above[task]} readings in a row"

    def _stalled(self, loss: float, step: int) -> str:
        """Ask for a little progress by half of the steps."""
        needed = (1 - self._scale.watch.progress) * self._first[TEXT]
        if step < self._scale.steps / 2 or min(loss, self._best[TEXT]) <= needed:
            return ""
        return f"text loss {loss:.3f} at step {step} has shed under {self._scale.watch.progress:.0%} of its first {self._first[TEXT]:.3f}"

    def _low(self, task: str, loss: float, step: int) -> str:
        """Compare with what the data and the baselines allow."""
        if loss < 0:
            return f"{task} loss {loss:.3f} is below zero"
        if task != TEXT:
            return ""
        if loss < self._floor:
            return f"text loss {loss:.3f} is below the corpus' entropy floor {self._floor:.3f}"
        early = self._peer is not None and step < self._scale.steps / 2
        if early and self._peer and loss < self._scale.watch.honest * self._peer.text_loss:
            return f"text loss {loss:.3f} at step {step} of {self._scale.steps}; the best baseline ended at {self._peer.text_loss:.3f}"
        return ""

    def _slow(self, step: int) -> str:
        """Compare the median step with the baselines' own."""
        if self._peer is None or step < self._scale.watch.warm_up:
            return ""
        own, limit = median(self._times), self._scale.watch.slow * self._peer.step_seconds
        if own <= limit:
            return ""
        return f"a step takes {own * 1e3:.1f} ms of CPU, the baselines {self._peer.step_seconds * 1e3:.1f} ms"
