"""Mixers of sources, and their comparison with a paper's formula that is computed one step at a time."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

EPSILON = 1e-5
"""What the norm of the output adds to the mean square."""


def mixer_of(source: str, width: int, heads: int) -> Any:
    """Return a mixer of a source of our own."""
    namespace: dict[str, object] = {"__name__": "candidate"}
    exec(compile(source, "candidate.py", "exec"), namespace)
    kind = next(v for v in namespace.values() if isinstance(v, type) and v.__module__ == "candidate")
    return kind(width, heads)  # pyright: ignore[reportCallIssue]


def assert_computes(source: str, formula: Callable[[Any, torch.Tensor, int], torch.Tensor], steps: int = 37) -> None:
    """Assert that a mixer gives what a formula (mixer, x [B, T, D], heads) gives, and the same gradient of the input.

    Every parameter is moved from its start, which may hide a part of the formula: zeros, ones, equal heads.
    """
    torch.manual_seed(0)
    mixer = mixer_of(source, 32, 2).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    x = torch.randn(2, steps, 32, dtype=torch.float64, requires_grad=True)
    found, expected = mixer(x), formula(mixer, x, 2)
    weight = torch.randn_like(expected)
    gradients = [torch.autograd.grad((y * weight).sum(), x, retain_graph=True)[0] for y in (found, expected)]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def convolved(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return SiLU of the causal depthwise convolution of x [B, T, C] with weight [C, W]."""
    padded = functional.pad(x.transpose(1, 2), (weight.shape[1] - 1, 0))
    return functional.silu(functional.conv1d(padded, weight[:, None], groups=weight.shape[0])).transpose(1, 2)


def convolved_heads(m: Any, x: torch.Tensor, heads: int) -> tuple[torch.Tensor, ...]:
    """Return queries, keys and values [B, T, H, K or V], convolved; queries and keys of unit length."""
    projections = (m.q_proj, m.q_conv), (m.k_proj, m.k_conv), (m.v_proj, m.v_conv)
    q, k, v = (convolved(layer(x), weight).unflatten(-1, (heads, -1)) for layer, weight in projections)
    return functional.normalize(q, dim=-1), functional.normalize(k, dim=-1), v


def normed(o: torch.Tensor, weight: nn.Parameter) -> torch.Tensor:
    """Return o [B, T, H, V] divided by its root mean square per head, times a weight [V], as [B, T, H * V]."""
    return functional.rms_norm(o, weight.shape, weight, EPSILON).flatten(2)
