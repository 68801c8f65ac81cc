"""Training with the optimiser in the worker, which hands over readings, checkpoints and at last the weights.

For rungs whose gradients are too large to be handed over in every step. A candidate can reach the optimiser there, and
nothing outside shows what it does with it (`docs/explanation/examination.md`).
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from sandbox import JailFault
from trainer.run.checkpoint import Checkpoint
from trainer.run.monitor import Reading
from trainer.run.protocol import Ready, parse_checkpoint, parse_reading, parse_weights
from trainer.run.worker import Worker, WorkMeter
from trainer.scales import Scale
from trainer.tasks.tokens import TokenizedCorpus


class WorkerTraining:
    """The training of one run by a train worker."""

    def __init__(self, worker: Worker, scale: Scale, ready: Ready, texts: Mapping[str, TokenizedCorpus]) -> None:
        """Prepare a training that `readings` starts."""
        self._worker, self._scale, self._ready = worker, scale, ready
        self._texts = {name: text.train for name, text in texts.items()}
        self._start: Checkpoint | None = None
        self._weights: dict[str, np.ndarray] = {}

    def resume(self, checkpoint: Checkpoint) -> None:
        """Start after a checkpoint."""
        self._start = checkpoint

    def readings(self, save: Callable[[dict[str, np.ndarray]], None]) -> Iterator[Reading]:
        """Yield every reading, pass each checkpoint's arrays to `save`, and keep the weights. Raises JailFault."""
        meter, last_step = WorkMeter(self._worker), self._start.step if self._start else 0
        self._worker.start_training(self._texts, last_step, self._start.arrays if self._start else None)
        while (frame := self._worker.receive_training()).kind != "weights":
            if frame.kind == "checkpoint":
                save(parse_checkpoint(frame, self._ready, last_step))
                continue
            report = parse_reading(frame, self._scale, last_step)
            reading = meter.read(report.step, last_step, report.losses)
            last_step = report.step
            yield reading
        if last_step < self._scale.steps:
            raise JailFault("protocol_error", f"the weights came after {last_step} steps")
        self._weights = parse_weights(frame, self._ready)

    def weights(self) -> dict[str, np.ndarray]:
        """Return the trained weights, and the buffers that training changed, of every task's model."""
        return self._weights

    def check(self, open_worker: Callable[[], Worker], readings: list[Reading]) -> None:
        """Check nothing."""
