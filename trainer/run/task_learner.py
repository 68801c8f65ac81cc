"""One task in training, as the parent holds it: weights and moments, changed buffers, and the data's generator."""

import math
from collections.abc import Mapping

import numpy as np

from bus.wire.ids import derive
from trainer.run.adamw import VectorAdamW
from trainer.run.job import Job
from trainer.run.protocol import Gradient, Ready
from trainer.run.weights import split_vector
from trainer.run.worker import GradientRequest
from trainer.tasks.draws import training_draw
from trainer.tasks.tokens import TokenizedCorpus


class TaskLearner:
    """Makes a task's requests for gradients, and takes its steps."""

    def __init__(self, job: Job, name: str, text: TokenizedCorpus | None, ready: Ready, built: np.ndarray) -> None:
        """Start from the weights [P] that the worker has built; `text` is the corpus of a task on text."""
        scale = job.scale
        self.name, self.built = name, built
        self._job, self._task, self._forms = job, scale.tasks[name], ready.weights_of(name)
        self._optimiser = VectorAdamW(built, self._decay(), scale.betas, scale.clip)
        self._buffers: Mapping[str, np.ndarray] = {}
        self._losses: list[float] = []
        self._draw = training_draw(self._task, scale.steps, job.seed("data", name), text.train if text else None)

    def _decay(self) -> np.ndarray:
        """Return every weight's decay [P]: matrices decay, vectors and scalars do not."""
        shapes = [shape for _, shape in self._forms.values()]
        return np.concatenate([np.full(math.prod(s), self._task.weight_decay * (len(s) > 1), "f4") for s in shapes])

    def request(self, step: int) -> GradientRequest:
        """Return the request of a step, from 0; to be called for every step, in order."""
        seed = int(derive(self._job.seed("step", self.name), str(step))[:8], 16)
        return GradientRequest(self.name, seed, self._optimiser.weights, self._buffers, self._draw(step))

    def apply(self, answer: Gradient, step: int) -> None:
        """Take a step with the gradient of its request."""
        self._losses.append(answer.loss)
        self._buffers = answer.buffers
        self._optimiser.step(answer.gradient, self._task.learning_rate * self._job.scale.learning_rate(step))

    def take_loss(self) -> float:
        """Return the mean loss of the steps since the last call."""
        mean = sum(self._losses) / len(self._losses)
        self._losses.clear()
        return mean

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights and the changed buffers by name."""
        return {**split_vector(self._optimiser.weights, self._forms), **self._buffers}

    def state(self) -> dict[str, np.ndarray]:
        """Return all that a later process needs to continue, as arrays by name."""
        vectors = {f"{kind}.{self.name}": vector for kind, vector in self._optimiser.vectors().items()}
        return {**vectors, **self._buffers}

    def load_state(self, steps: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Continue after so many steps from what `state` returned. Raises KeyError."""
        for step in range(steps):
            self._draw(step)
        vectors = {kind: arrays[f"{kind}.{self.name}"] for kind in self._optimiser.vectors()}
        self._optimiser.load(steps, vectors)
        self._buffers = {name: array for name, array in arrays.items() if name.startswith(f"buffers.{self.name}.")}
