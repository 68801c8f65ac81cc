"""The kernels in the form that leaves the lab: plain torch, no compiled code, and a memory for decoding.

`move37 export` copies the functions that a mixer calls, with all that they need, into its file. They take the arguments
of the functions of the same names in this package. `advance` feeds a mixer a sequence in pieces: meanwhile, each kernel
remembers what the next piece needs, in the order in which the mixer calls them. So a mixer decodes with a state of
constant size although its author wrote a forward pass alone. That fails for a mixer that mixes time without a kernel,
such as `F.pad(x, (0, 0, 1, -1))`; whoever calls `advance` compares it with the whole sequence first.
"""

from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.convolution import _ACTIVATIONS
from kernels.recurrence.chunked.forward import chunk_form
from kernels.recurrence.generalized import generalized_delta as whole_generalized_delta
from kernels.rotation import rotary as rotated
from kernels.window import _band_mask
from kernels.window import window_attention as whole_window_attention

LEAST_LOG_DECAY = -200.0
"""The exponential of anything below is zero in single precision; clamping to it keeps -inf exact."""


class KernelMemory:
    """What the kernels of one mixer remember: from the piece before, and for the next one."""

    def __init__(self, before: tuple[Any, ...]) -> None:
        """Begin after a piece that left `before`; empty at the start of a sequence."""
        self._before, self.after = iter(before), []

    def recall(self) -> Any:
        """Return what this kernel remembered last time, None at the start of a sequence."""
        return next(self._before, None)


_MEMORY: ContextVar[KernelMemory | None] = ContextVar("kernel_memory", default=None)


def advance(mixer: nn.Module, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """Feed the next piece x [B, T, D] of a sequence to a mixer; return its outputs [B, T, D] and the new state.

    `state` is that of the piece before, None at the start. A mixer with `step(x_t, state)` is fed step by step.
    """
    if hasattr(mixer, "step"):
        outputs = []
        for x_t in x.unbind(1):
            y_t, state = mixer.step(x_t, state)  # pyright: ignore[reportCallIssue]
            outputs.append(y_t.reshape(x_t.shape))
        return torch.stack(outputs, dim=1), state
    memory = KernelMemory(state or ())
    token = _MEMORY.set(memory)
    try:
        return mixer(x), tuple(memory.after)
    finally:
        _MEMORY.reset(token)


def linear_recurrence(  # noqa: PLR0913 - the signature of `kernels.linear_recurrence`
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    log_decay: Tensor | None = None,
    beta: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    chunk_size: int = 64,
    backend: str = "auto",  # noqa: ARG001 - there is one
) -> tuple[Tensor, Tensor | None]:
    """Decay, write, read: S <- diag(exp(g_t)) S; S <- S + k_t u_t^T; o_t = scale * S^T q_t, for every head.

    The write u_t is v_t if `beta` is None (additive rule), else beta_t (v_t - S^T k_t) (delta rule).

    q, k: [B, T, H, Dk]; v: [B, T, Hv, Dv] with Hv a multiple of H. log_decay: None | [H] | [B, T, H] | [B, T, H, Dk],
    all <= 0. beta: None | [B, T, H]. scale: defaults to Dk ** -0.5. initial_state: [B, Hv, Dk, Dv]. Chunks of up to
    `chunk_size` steps are computed at once. Returns (o [B, T, Hv, Dv], final state or None). Raises ValueError for
    packed sequences.
    """
    if cu_seqlens is not None:
        raise ValueError("packed sequences (cu_seqlens) need the lab's own kernels")
    (batch, length, _, width), heads = q.shape, v.shape[2]
    dtype = torch.float64 if q.dtype == torch.float64 else torch.float32
    chunk = min(chunk_size, max(16, 1 << (length - 1).bit_length()))
    memory = _MEMORY.get()
    state = memory.recall() if memory and initial_state is None else initial_state
    if state is None:
        state = q.new_zeros(batch, heads, width, v.shape[3], dtype=dtype)
    decay = None if log_decay is None else _per_step(log_decay, batch, length).to(dtype).clamp_min(LEAST_LOG_DECAY)
    strength = None if beta is None else beta[..., None].to(dtype)
    q, k, values = (_tiles(x.to(dtype), heads, chunk) for x in (q, k, v))
    decay, strength = (None if x is None else _tiles(x, heads, chunk) for x in (decay, strength))
    factor = width**-0.5 if scale is None else scale
    with torch.autocast(q.device.type, enabled=False):
        o, final = chunk_form(q, k, values, decay, strength, factor, state.to(dtype).flatten(0, 1))
    o = o.unflatten(1, (batch, heads)).permute(1, 0, 3, 2, 4).reshape(batch, -1, heads, v.shape[3])
    final = final.unflatten(0, (batch, heads))
    if memory:
        memory.after.append(final)
    return o[:, :length].to(v.dtype), final if output_final_state else None


def _per_step(log_decay: Tensor, batch: int, length: int) -> Tensor:
    """Bring [H], [B, T, H] or [B, T, H, Dk] to [B, T, H, 1 | Dk]."""
    if log_decay.ndim == 1:
        return log_decay[None, None, :, None].expand(batch, length, -1, -1)
    return log_decay if log_decay.ndim == 4 else log_decay[..., None]


def _tiles(x: Tensor, heads: int, chunk: int) -> Tensor:
    """[B, T, H, D] -> [N, B * Hv, C, D]: heads repeated, and the last chunk padded with zeros, which write nothing."""
    batch, length, own_heads, width = x.shape
    x = x if own_heads == heads else x.repeat_interleave(heads // own_heads, dim=2)
    chunks = -(-length // chunk)
    padded = F.pad(x, (0, 0, 0, 0, 0, chunks * chunk - length))
    return padded.unflatten(1, (chunks, chunk)).permute(1, 0, 3, 2, 4).reshape(chunks, batch * heads, chunk, width)


def generalized_delta(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    probe: Tensor,
    erase: Tensor,
    log_decay: Tensor,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Decay the state, take out what `probe` reads along `erase`, write v along k, read with q, for every head.

    q, k, probe, erase, log_decay [B, T, H, Dk], log_decay <= 0; v [B, T, H, Dv]; scale: defaults to Dk ** -0.5.
    initial_state: [B, H, Dk, Dv]. Returns (o [B, T, H, Dv], final state or None).
    """
    memory = _MEMORY.get()
    state = memory.recall() if memory and initial_state is None else initial_state
    o, final = whole_generalized_delta(
        q,
        k,
        v,
        probe=probe,
        erase=erase,
        log_decay=log_decay,
        scale=scale,
        initial_state=state,
        output_final_state=True,
    )
    if memory:
        memory.after.append(final)
    return o, final if output_final_state else None


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Convolve each channel over time: y_t = activation(bias + sum_i weight[:, i] * x_{t - W + 1 + i}).

    x [B, T, D]; weight [D, W]; bias [D]; activation: None | "silu" | "swish"; initial_state [B, D, W - 1]: the inputs
    before the first step. Returns (y [B, T, D], final state [B, D, W - 1] or None).
    """
    memory, before = _MEMORY.get(), weight.shape[1] - 1
    state = memory.recall() if memory and initial_state is None else initial_state
    past = x.new_zeros(x.shape[0], before, x.shape[2]) if state is None else state.to(x.dtype).mT
    padded = torch.cat([past, x], dim=1)  # [B, W - 1 + T, D]
    y = F.conv1d(padded.mT, weight[:, None], groups=weight.shape[0]).mT
    final = padded[:, padded.shape[1] - before :].mT
    if memory:
        memory.after.append(final)
    return _ACTIVATIONS[activation](y if bias is None else y + bias), final if output_final_state else None


def rotary(
    q: Tensor, k: Tensor, positions: Tensor | None = None, *, offset: int = 0, base: float = 10000.0
) -> tuple[Tensor, Tensor]:
    """Rotate the pairs (x_i, x_{i + D/2}) of q and k [B, T, H, D] by the angle position * base^(-2i / D), in radians.

    positions: [T] or [B, T]; by default offset, offset + 1, ... counted from the start of the sequence.
    """
    if (memory := _MEMORY.get()) and positions is None:
        offset += memory.recall() or 0
        memory.after.append(offset + q.shape[1])
    return rotated(q, k, positions, offset=offset, base=base)


def window_attention(q: Tensor, k: Tensor, v: Tensor, window: int, scale: float | None = None) -> Tensor:
    """Attend from each step to itself and to the window - 1 steps before it.

    q [B, T, H, D]; k [B, T, Hkv, D] and v [B, T, Hkv, Dv] with H a multiple of Hkv. Returns [B, T, H, Dv].
    """
    memory = _MEMORY.get()
    if memory is None:
        return whole_window_attention(q, k, v, window, scale)
    if past := memory.recall():
        k, v = torch.cat([past[0], k], dim=1), torch.cat([past[1], v], dim=1)
    first = max(k.shape[1] - window + 1, 0)
    memory.after.append((k[:, first:], v[:, first:]))
    groups = q.shape[2] // k.shape[2]
    q, k, v = (x.transpose(1, 2) for x in (q, k.repeat_interleave(groups, 2), v.repeat_interleave(groups, 2)))
    mask = _band_mask(q.shape[2], k.shape[2], window, q.device)
    return F.scaled_dot_product_attention(q, k, v, mask, scale=scale).transpose(1, 2)
