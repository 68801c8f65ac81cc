"""The candidate as the gates see it: how they build it, feed it and call it.

Every gate builds its own mixers from one seed, so that no gate affects another.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

PARAMETER_NOISE = 0.2
"""Size of the noise on parameters; it opens paths behind a gate that is initialised to zero."""
ROUNDING_FACTOR, MAX_ROUNDING = 4, 0.05
"""The tolerance is this many times the measured rounding, up to a limit: a candidate must not raise it at will."""
INPUT_NUDGE = 2.0**-18
"""Relative change of inputs at which some numbers in half precision move by a whole rounding step."""
LONGEST = 128
"""Longest sequence of the smallest rung."""
LOUD_AMPLITUDE = 8.0
"""Amplitude of the louder inputs; they show leaks that a small factor hides."""


class ComplexTensors(TypeError):
    """A mixer has complex parameters or buffers, which lose their imaginary part on the way to the parent."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A mixer under test."""

    build: Callable[[int], nn.Module]
    """Returns the mixer of a layer, counted from 0, with its own initialisation."""
    d_model: int
    n_heads: int
    seed: int
    layer: int = 0
    """The layer whose mixer `build_mixer` returns."""
    longest: int = LONGEST
    """Longest sequence that the rung trains on."""

    def build_mixer(
        self, dtype: torch.dtype = torch.float32, *, noisy: bool = False, training: bool = False
    ) -> nn.Module:
        """Return a new mixer; `noisy` adds noise to every parameter. Raises ComplexTensors."""
        reseed(self.seed)
        with default_dtype(dtype):
            mixer = self.build(self.layer)
            require_real(mixer)
            mixer = mixer.to(dtype).train(training)
        if noisy:
            with torch.no_grad():
                for parameter in mixer.parameters():
                    if parameter.is_floating_point():
                        parameter.add_(torch.randn_like(parameter), alpha=PARAMETER_NOISE)
        return mixer

    def inputs(self, batch: int, length: int, dtype: torch.dtype = torch.float32, stream: int = 0) -> Tensor:
        """Return normally distributed inputs [batch, length, d_model], the same for the same arguments."""
        generator = torch.Generator().manual_seed(self.seed * 1009 + stream)
        return torch.randn(batch, length, self.d_model, generator=generator, dtype=torch.float64).to(dtype)


def require_real(mixer: nn.Module) -> None:
    """Raise ComplexTensors if a parameter or a buffer is complex."""
    for name, tensor in [*mixer.named_parameters(), *mixer.named_buffers()]:
        if tensor.is_complex():
            raise ComplexTensors(
                f"{name} is {str(tensor.dtype).removeprefix('torch.')}; hint: store the real and the imaginary part as "
                "[..., 2] and use torch.view_as_complex in forward"
            )


def call(mixer: nn.Module, x: Tensor, seed: int = 0) -> Tensor:
    """Return the first output of mixer(x); all random generators are seeded, so that dropout draws the same masks."""
    reseed(seed)
    with default_dtype(x.dtype):
        y = mixer(x)
    return y[0] if isinstance(y, tuple) else y


def reseed(seed: int) -> None:
    """Seed the random generators of torch, numpy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (the candidate may use the old generator)
    random.seed(seed)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Give tensors that the candidate creates without a dtype the dtype of the inputs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def rounding_tolerance(mixer: nn.Module, x: Tensor) -> float:
    """Return the distance that rounding alone can cause between outputs of different shapes, in rms of the output.

    A layer that computes in half precision rounds differently when a shape changes. Two comparisons measure by how
    much: one row with copies of itself in the batch, and the row with inputs so slightly changed that only half
    precision shows it. In both, no other row or position can leak anything.
    """
    row = x[:1]
    alone = call(mixer, row)
    with_copies, nudged = call(mixer, row.repeat(3, 1, 1))[:1], call(mixer, row * (1 + INPUT_NUDGE))
    return min(ROUNDING_FACTOR * max(distance(alone, with_copies), distance(alone, nudged)), MAX_ROUNDING)


def distance(a: Tensor, b: Tensor) -> float:
    """Return the largest difference, in rms of the first argument; infinity if it is NaN."""
    gap = (a - b).abs().max().item() if a.numel() else 0.0
    scale = a.square().mean().sqrt().item() if a.numel() else 1.0
    return gap / max(scale, 1e-12) if gap == gap else float("inf")  # noqa: PLR0124 (NaN)
