"""Named kinds of the recurrence with random inputs: the cases on which tests and benchmarks run every backend."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.recurrence.api import linear_recurrence


@dataclass(frozen=True)
class RecurrenceKind:
    """A setting of the recurrence: which decay it has and which rule it writes by."""

    decay: str | None
    """None, "constant" ([H]), "head" ([B, T, H]) or "channel" ([B, T, H, Dk])."""
    delta: bool
    """True for the delta rule, False for the additive rule."""


KINDS: Mapping[str, RecurrenceKind] = MappingProxyType(
    {
        "linear": RecurrenceKind(None, delta=False),
        "retention": RecurrenceKind("constant", delta=False),
        "ssd": RecurrenceKind("head", delta=False),
        "gla": RecurrenceKind("channel", delta=False),
        "delta": RecurrenceKind(None, delta=True),
        "gated_delta": RecurrenceKind("head", delta=True),
        "kda": RecurrenceKind("channel", delta=True),
    }
)
"""In this order: linear attention, RetNet, Mamba-2, GLA, DeltaNet, Gated DeltaNet, Kimi Delta Attention."""


@dataclass(frozen=True)
class Case:
    """The tensor arguments of one call of `linear_recurrence`, in the shapes that it documents."""

    q: Tensor
    k: Tensor
    v: Tensor
    log_decay: Tensor | None
    beta: Tensor | None
    initial_state: Tensor | None
    cu_seqlens: Tensor | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Return the differentiable arguments that are not None, by name."""
        arguments = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "cu_seqlens"}
        return {name: x for name, x in arguments.items() if x is not None}

    def to(self, dtype: torch.dtype) -> "Case":
        """Return the same case with every differentiable argument in another dtype."""
        return replace(self, **{name: x.to(dtype) for name, x in self.tensors().items()})


def draw(  # noqa: PLR0913 - one keyword for each property that a case may vary
    kind: str,
    *,
    batch: int = 1,
    length: int,
    heads: int = 1,
    key_width: int,
    value_width: int | None = None,
    value_heads: int | None = None,
    lengths: tuple[int, ...] = (),
    decay: float = 0.3,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    initial_state: bool = True,
    seed: int = 0,
) -> Case:
    """Draw inputs like those of a trained layer: unit keys, write strengths in (0, 1), log decay of mean -`decay`.

    `lengths` packs sequences of these lengths along time: their sum replaces `length`, and the batch must be 1.
    Raises KeyError if `kind` is not a key of KINDS.
    """
    length = sum(lengths) or length
    value_heads, value_width = value_heads or heads, value_width or key_width
    generator = torch.Generator().manual_seed(seed)
    normal = partial(torch.randn, generator=generator, dtype=torch.float64)
    uniform = partial(torch.rand, generator=generator, dtype=torch.float64)
    steps = (batch, length)
    decay_shapes = {
        "constant": (value_heads,), "head": (*steps, value_heads), "channel": (*steps, value_heads, key_width),
    }  # fmt: skip
    settings = KINDS[kind]
    case = Case(
        q=normal((*steps, heads, key_width)),
        k=F.normalize(normal((*steps, heads, key_width)), dim=-1),
        v=normal((*steps, value_heads, value_width)),
        log_decay=None if settings.decay is None else -2 * decay * uniform(decay_shapes[settings.decay]),
        beta=uniform((*steps, value_heads)) if settings.delta else None,
        initial_state=normal((len(lengths) or batch, value_heads, key_width, value_width)) if initial_state else None,
    )
    offsets = torch.tensor((0, *lengths)).cumsum(0).to(device) if lengths else None
    tensors = {name: x.to(device=device, dtype=dtype) for name, x in case.tensors().items()}
    return replace(case, cu_seqlens=offsets, **tensors)


def outputs_and_gradients(case: Case, backend: str, chunk_size: int = 64) -> dict[str, Tensor]:
    """Run a backend and return its output, its final state and the gradient of every argument, by name.

    The names are "o", "final_state" and "d_" with an argument's name. The loss is the sum of two fixed random
    projections. Raises ValueError as `linear_recurrence` does.
    """
    leaves = {name: x.detach().clone().requires_grad_() for name, x in case.tensors().items()}
    arguments = {"log_decay": None, "beta": None, "initial_state": None, **leaves}
    o, final = linear_recurrence(
        **arguments, output_final_state=True, cu_seqlens=case.cu_seqlens, chunk_size=chunk_size, backend=backend
    )
    assert final is not None
    loss = _project(o, 1) + _project(final, 2)
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    d_leaves = {f"d_{name}": x for name, x in zip(leaves, gradients, strict=True)}
    return {"o": o.detach(), "final_state": final.detach(), **d_leaves}


def relative_errors(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, float]:
    """Return |actual - expected| / |expected| in the Euclidean norm, by name; both must have the same names."""
    assert actual.keys() == expected.keys()
    return {name: relative_error(actual[name], expected[name]) for name in expected}


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Return |actual - expected| / |expected| in the Euclidean norm, computed in fp64; the shapes are equal."""
    actual, expected = (x.double().cpu() for x in (actual, expected))
    return ((actual - expected).norm() / expected.norm().clamp_min(1e-12)).item()


def _project(x: Tensor, seed: int) -> Tensor:
    """Return the inner product of x with a fixed random direction, the same for every dtype and device.

    The direction is rounded to bf16, so that backward starts from the same gradient in every dtype.
    """
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).bfloat16()
    return (x * direction.to(device=x.device, dtype=x.dtype)).sum()
