"""The architecture under test: how the gates build it, feed it and call it.

All gates build afresh from one seed, so that none sees what another left behind.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

PARAMETER_NOISE = 0.2
"""Size of the noise that is added to parameters, so that a path closed by a zero-initialised gate is open."""
ROUNDINGS, MOST_ROUNDING = 4, 0.05
"""Rounding is allowed so many times what was seen, and never more than this: a candidate must not buy itself room."""
INPUT_NUDGE = 2.0**-18
"""Relative change of inputs that half precision turns into whole rounding steps, here and there."""
LOUD_AMPLITUDE = 8.0
"""Amplitude of the louder inputs; the louder change shows leaks that sit behind a small factor."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tested."""

    build: Callable[[], nn.Module]
    """Builds the mixer with its own initialisation."""
    d_model: int
    n_heads: int
    seed: int

    def fresh(self, dtype: torch.dtype = torch.float32, *, kicked: bool = False, training: bool = False) -> nn.Module:
        """Return a newly built mixer; `kicked` adds noise to every parameter."""
        reseed(self.seed)
        with default_dtype(dtype):
            mixer = self.build().to(dtype).train(training)
        if kicked:
            with torch.no_grad():
                for parameter in mixer.parameters():
                    if parameter.is_floating_point():
                        parameter.add_(torch.randn_like(parameter), alpha=PARAMETER_NOISE)
        return mixer

    def inputs(self, batch: int, length: int, dtype: torch.dtype = torch.float32, stream: int = 0) -> Tensor:
        """Return normal inputs [batch, length, d_model], the same for the same arguments."""
        generator = torch.Generator().manual_seed(self.seed * 1009 + stream)
        return torch.randn(batch, length, self.d_model, generator=generator, dtype=torch.float64).to(dtype)


def call(mixer: nn.Module, x: Tensor, seed: int = 0) -> Tensor:
    """Return the first output of mixer(x), with all random generators set, so that dropout draws the same masks."""
    reseed(seed)
    with default_dtype(x.dtype):
        y = mixer(x)
    return y[0] if isinstance(y, tuple) else y


def reseed(seed: int) -> None:
    """Set torch's, numpy's and Python's random generators."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (the candidate may use the old generator)
    random.seed(seed)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Have tensors that the candidate makes without a dtype follow the inputs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def rounding(mixer: nn.Module, x: Tensor) -> float:
    """Return how far outputs for other shapes may lie apart by rounding alone, in their root mean square.

    A layer that works in half precision inside rounds otherwise when a shape changes. By how much is shown by one row
    beside copies of itself, and by inputs nudged so little that single precision hardly notices, while some numbers
    round to the other side in half: no other row or position can have told it anything.
    """
    row = x[:1]
    alone = call(mixer, row)
    beside, nudged = call(mixer, row.repeat(3, 1, 1))[:1], call(mixer, row * (1 + INPUT_NUDGE))
    return min(ROUNDINGS * max(distance(alone, beside), distance(alone, nudged)), MOST_ROUNDING)


def distance(a: Tensor, b: Tensor) -> float:
    """Return the largest difference, in units of the first argument's root mean square (infinite where not finite)."""
    gap = (a - b).abs().max().item() if a.numel() else 0.0
    scale = a.square().mean().sqrt().item() if a.numel() else 1.0
    return gap / max(scale, 1e-12) if gap == gap else float("inf")  # noqa: PLR0124 (NaN)
