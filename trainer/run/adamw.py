"""AdamW (Loshchilov and Hutter, arXiv 1711.05101) on vectors, in the process that no candidate reaches. No torch.

The arithmetic is that of `torch.optim.AdamW` after `clip_grad_norm_` (a test compares them). A weight without a
gradient has a gradient of 0 here: it decays, and its moments fade.
"""

from collections.abc import Mapping

import numpy as np

EPSILON = 1e-8
CLIP_EPSILON = 1e-6


class VectorAdamW:
    """The weights of one model, which steps change in place, and their moments: float32 vectors [P]."""

    def __init__(self, weights: np.ndarray, decay: np.ndarray, betas: tuple[float, float], clip: float) -> None:
        """Start from `weights` [P]; `decay` [P] is each weight's decay, `clip` the largest norm of a gradient."""
        self.weights = np.array(weights, np.float32)
        self._first, self._second = np.zeros_like(self.weights), np.zeros_like(self.weights)
        self._decay, self._betas, self._clip, self._steps = decay.astype(np.float32), betas, clip, 0
        self._work = np.empty_like(self.weights)

    def vectors(self) -> dict[str, np.ndarray]:
        """Return the weights and both moments by name."""
        return {"weights": self.weights, "first": self._first, "second": self._second}

    def load(self, steps: int, vectors: Mapping[str, np.ndarray]) -> None:
        """Continue after so many steps, from what `vectors` returned."""
        self._steps = steps
        for name, vector in self.vectors().items():
            vector[:] = vectors[name]

    def step(self, gradient: np.ndarray, learning_rate: float) -> None:
        """Clip a gradient [P], in place, and apply it."""
        self._steps += 1
        work, (beta1, beta2) = self._work, self._betas
        with np.errstate(all="ignore"):  # a run whose numbers are not finite ends by its next loss
            self._clip_norm(gradient)
            self.weights -= np.multiply(self._decay, np.multiply(self.weights, learning_rate, out=work), out=work)
            self._first += np.multiply(np.subtract(gradient, self._first, out=work), 1 - beta1, out=work)
            self._second *= beta2
            self._second += np.multiply(np.multiply(gradient, gradient, out=work), 1 - beta2, out=work)
            np.sqrt(self._second, out=work)
            work /= np.sqrt(1 - beta2**self._steps)
            work += EPSILON
            np.divide(self._first, work, out=work)
            work *= learning_rate / (1 - beta1**self._steps)
            self.weights -= work

    def _clip_norm(self, gradient: np.ndarray) -> None:
        """Scale a gradient down to the largest norm, if it is longer."""
        norm = np.sqrt(np.multiply(gradient, gradient, out=self._work).sum(dtype=np.float64))
        factor = self._clip / (float(norm) + CLIP_EPSILON)
        if not factor >= 1.0:
            gradient *= np.float32(factor)
