"""Named settings of the recurrence with random inputs: what tests and benchmarks of every backend run on."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.recurrence.api import linear_recurrence


@dataclass(frozen=True)
class RecurrenceKind:
    """One member of the family."""

    decay: str | None
    """None, "constant" ([H]), "head" ([B, T, H]) or "channel" ([B, T, H, Dk])."""
    delta: bool
    """Whether the write is the delta rule's."""


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
"""Linear attention, RetNet, Mamba-2, GLA, DeltaNet, Gated DeltaNet, Kimi Delta Attention."""


@dataclass(frozen=True)
class Case:
    """The tensor arguments of one call."""

    q: Tensor
    k: Tensor
    v: Tensor
    log_decay: Tensor | None
    beta: Tensor | None
    initial_state: Tensor | None
    cu_seqlens: Tensor | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Return the differentiable arguments that are there, by name."""
        present = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "cu_seqlens"}
        return {name: x for name, x in present.items() if x is not None}

    def to(self, dtype: torch.dtype) -> "Case":
        """Every differentiable argument in another dtype."""
        return replace(self, **{name: x.to(dtype) for name, x in self.tensors().items()})


def draw(  # noqa: PLR0913 - one keyword for each thing a case may vary
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
    """Random inputs as a trained layer sees them: unit keys, strengths in (0, 1), log decay of mean -`decay`.

    `lengths` packs sequences of these lengths along time (their sum replaces `length`, batch 1).
    """
    generator = torch.Generator().manual_seed(seed)
    length = sum(lengths) or length
    value_heads, value_width = value_heads or heads, value_width or key_width
    settings = KINDS[kind]

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    shapes = {"constant": (value_heads,), "head": (batch, length, value_heads)}
    shapes["channel"] = (batch, length, value_heads, key_width)
    case = Case(
        q=normal(batch, length, heads, key_width),
        k=F.normalize(normal(batch, length, heads, key_width), dim=-1),
        v=normal(batch, length, value_heads, value_width),
        log_decay=None if settings.decay is None else -2 * decay * uniform(*shapes[settings.decay]),
        beta=uniform(batch, length, value_heads) if settings.delta else None,
        initial_state=normal(len(lengths) or batch, value_heads, key_width, value_width) if initial_state else None,
    )
    offsets = torch.tensor((0, *lengths)).cumsum(0).to(device) if lengths else None
    moved = {name: x.to(device=device, dtype=dtype) for name, x in case.tensors().items()}
    return replace(case, cu_seqlens=offsets, **moved)


def outputs_and_gradients(case: Case, backend: str, chunk_size: int = 64) -> dict[str, Tensor]:
    """Return the output, the final state, and the gradient of every argument under a fixed random projection."""
    leaves = {name: x.detach().clone().requires_grad_() for name, x in case.tensors().items()}
    arguments = {"log_decay": None, "beta": None, "initial_state": None, **leaves}
    o, final = linear_recurrence(
        **arguments, output_final_state=True, cu_seqlens=case.cu_seqlens, chunk_size=chunk_size, backend=backend
    )
    assert final is not None
    loss = _project(o, 1) + _project(final, 2)
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    named = {f"d_{name}": x for name, x in zip(leaves, gradients, strict=True)}
    return {"o": o.detach(), "final_state": final.detach(), **named}


def relative_errors(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, float]:
    """|actual - expected| / |expected| in the Euclidean norm, by name."""
    assert actual.keys() == expected.keys()
    return {name: relative_error(actual[name], expected[name]) for name in expected}


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """|actual - expected| / |expected| in the Euclidean norm, computed in fp64."""
    actual, expected = (x.double().cpu() for x in (actual, expected))
    return ((actual - expected).norm() / expected.norm().clamp_min(1e-12)).item()


def _project(x: Tensor, seed: int) -> Tensor:
    """Return the inner product of x with a fixed random direction, the same for every dtype and device.

    The direction has few enough digits for bf16, so that the slope that backward starts from is the same in all.
    """
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).bfloat16()
    return (x * direction.to(device=x.device, dtype=x.dtype)).sum()
