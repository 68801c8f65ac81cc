"""Training with the optimiser in the parent: the worker answers each batch with a gradient, and the parent steps.

The parent holds weights, moments, schedule, data and checkpoints. The worker gets the weights and one batch at a time,
so the weights can only go where gradients lead. Whether the gradients are those of the loss on these weights and this
batch, and of nothing else, is checked afterwards for steps that the worker can't know (`trainer.run.gradient_check`).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from trainer.run.checkpoint import Checkpoint
from trainer.run.gradient_check import KeptGradient, check_gradients, require_paid_work, training_seconds
from trainer.run.job import Job
from trainer.run.monitor import Reading
from trainer.run.protocol import Ready
from trainer.run.task_learner import TaskLearner
from trainer.run.weights import check_buffers
from trainer.run.worker import Worker, WorkMeter
from trainer.tasks.tokens import TokenizedCorpus

CHECKED_STEPS = 24
"""Steps whose gradients are kept for a check. A program that cheats in one step of ten escapes in 8 of 100 runs."""


class ParentTraining:
    """The training of one run by a train worker."""

    def __init__(self, worker: Worker, job: Job, ready: Ready, texts: Mapping[str, TokenizedCorpus]) -> None:
        """Start from the weights that the worker has built. Raises JailFault."""
        self._worker, self._scale, self._ready = worker, job.scale, ready
        self._meter = WorkMeter(worker)
        built = {name: worker.built_weights(name, ready) for name in job.scale.tasks}
        self._learners = [TaskLearner(job, name, texts.get(name), ready, built[name]) for name in built]
        self._secret_rng = np.random.default_rng(job.secret_seed("checked steps", job.digest()))
        self._first_step = 0
        self._kept: list[KeptGradient] = []

    def resume(self, checkpoint: Checkpoint) -> None:
        """Start after a checkpoint."""
        self._first_step = checkpoint.step
        for learner in self._learners:
            learner.load_state(checkpoint.step, checkpoint.arrays)

    def readings(self, save: Callable[[dict[str, np.ndarray]], None]) -> Iterator[Reading]:
        """Train and yield every reading, the last one early if a loss is not finite; pass checkpoints to `save`.

        Raises JailFault.
        """
        checked, last_step = self._draw_checked_steps(), self._first_step
        for completed in range(self._first_step + 1, self._scale.steps + 1):
            losses = [self._step(learner, completed - 1, keep=completed - 1 in checked) for learner in self._learners]
            finite = all(map(math.isfinite, losses))
            if finite and completed % self._scale.monitor.reading_interval and completed < self._scale.steps:
                continue
            means = {learner.name: learner.take_loss() for learner in self._learners}
            yield self._meter.read(completed, last_step, means)
            last_step = completed
            if not finite:
                return
            if self._scale.is_checkpoint(completed):
                save({name: array for learner in self._learners for name, array in learner.state().items()})

    def _draw_checked_steps(self) -> set[int]:
        steps = np.arange(self._first_step, self._scale.steps)
        return set(self._secret_rng.choice(steps, min(CHECKED_STEPS, len(steps)), replace=False).tolist())

    def _step(self, learner: TaskLearner, step: int, *, keep: bool) -> float:
        """Take one step of a task and return its loss. Raises JailFault."""
        request = learner.request(step)
        answer = self._worker.gradient(request, self._ready)
        check_buffers(answer.buffers, self._scale)  # of every step: kept answers and the next requests hold them
        if keep:
            own = request._replace(weights=request.weights.copy())
            self._kept.append(KeptGradient(own, answer._replace(gradient=answer.gradient.copy())))
        learner.apply(answer, step)
        return answer.loss

    def weights(self) -> dict[str, np.ndarray]:
        """Return the trained weights, and the buffers that training changed, of every task's model."""
        return {name: array for learner in self._learners for name, array in learner.arrays().items()}

    def check(self, open_worker: Callable[[], Worker], readings: Sequence[Reading]) -> None:
        """Check the gradients of the training in a fresh worker, and its CPU time. Raises JailFault."""
        built = {learner.name: learner.built for learner in self._learners}
        passes = check_gradients(open_worker(), built, self._kept, self._ready)
        require_paid_work(training_seconds(readings), self._scale.steps, passes, self._scale.monitor)
