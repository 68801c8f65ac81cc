"""The kernels as registered operators: known to autograd, to torch.compile and to shape inference.

Arguments are canonical ([B, T, H, D], fp32 decay and strength, one state a sequence). Where an argument is absent its
gradient, and what would be kept for it, is an empty tensor.
"""

# An operator has a flat schema.
# ruff: noqa: PLR0913, PLR0917
from typing import Any

import torch
from torch import Tensor

from kernels.recurrence.gpu import launch
from kernels.recurrence.gpu.layout import ChunkLayout, batch_layout, packed_layout

# A strength of zero is lifted to this: invisible in any output, and dbeta = <dR, U> / beta keeps its digits.
_LEAST_BETA = 1e-20


@torch.library.custom_op("move37::linear_recurrence", mutates_args=())
def recurrence_forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    state: Tensor,
    cu_seqlens: Tensor | None,
    scale: float,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """(o, final state, then what backward keeps: running decay, scores, inverse, removals, writes, entry states)."""
    layout = _layout(q, cu_seqlens, chunk)
    decay, strength = _flat(log_decay), _strengths(beta)
    o, final, saved = launch.forward(
        q.flatten(0, 1).contiguous(), k.flatten(0, 1).contiguous(), v.flatten(0, 1).contiguous(), decay, strength,
        state.contiguous(), scale, layout,
    )  # fmt: skip
    # The additive rule writes v itself, and an operator may not return what it was given.
    writes = v.new_empty(0) if beta is None else saved.u
    kept = saved.sums, saved.scores, saved.inverse, saved.removals, writes, saved.entries
    return o.view(v.shape), final, *kept


@recurrence_forward.register_fake
def _forward_shapes(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    state: Tensor,
    cu_seqlens: Tensor | None,
    scale: float,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Empty tensors of the outputs' shapes."""
    del scale
    batch, length, heads, key_width = q.shape
    tokens, value_width = batch * length, v.shape[3]
    count = batch * (-(-length // chunk)) if cu_seqlens is None else length // chunk + cu_seqlens.shape[0] - 1
    delta = beta is not None
    return (
        v.new_empty(v.shape),
        state.new_empty(state.shape),
        state.new_empty(0) if log_decay is None else state.new_empty(tokens, heads, log_decay.shape[3]),
        q.new_empty(tokens, heads, chunk),
        state.new_empty(tokens, heads, chunk) if delta else state.new_empty(0),
        k.new_empty(tokens, heads, key_width) if delta else k.new_empty(0),
        v.new_empty(tokens, heads, value_width) if delta else v.new_empty(0),
        q.new_empty(count, heads, key_width, value_width),
    )


@torch.library.custom_op("move37::linear_recurrence_backward", mutates_args=())
def recurrence_backward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    cu_seqlens: Tensor | None,
    scale: float,
    chunk: int,
    kept: list[Tensor],
    d_o: Tensor,
    d_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, k, v, log decay, beta and state."""
    layout = _layout(q, cu_seqlens, chunk)
    values = v.flatten(0, 1).contiguous()
    sums, scores, inverse, removals, writes, entries = kept
    saved = launch.Saved(sums, scores, inverse, removals, values if beta is None else writes, entries)
    d_q, d_k, d_v, d_g, d_beta, d_state = launch.backward(
        q.flatten(0, 1).contiguous(), k.flatten(0, 1).contiguous(), _flat(log_decay), _strengths(beta), saved,
        d_o.flatten(0, 1).contiguous(), d_final.contiguous(), scale, layout,
    )  # fmt: skip
    if log_decay is not None:
        d_g = d_g.view(log_decay.shape)
    if beta is not None:
        d_beta = d_beta.view(beta.shape)
    return d_q.view(q.shape), d_k.view(k.shape), d_v.view(v.shape), d_g, d_beta, d_state


@recurrence_backward.register_fake
def _backward_shapes(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    cu_seqlens: Tensor | None,
    scale: float,
    chunk: int,
    kept: list[Tensor],
    d_o: Tensor,
    d_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Empty tensors of the gradients' shapes."""
    del cu_seqlens, scale, chunk, kept, d_o
    absent = d_final.new_empty(0)
    return (
        q.new_empty(q.shape),
        k.new_empty(k.shape),
        v.new_empty(v.shape),
        absent if log_decay is None else log_decay.new_empty(log_decay.shape),
        d_final.new_empty(0) if beta is None else beta.new_empty(beta.shape),
        d_final.new_empty(d_final.shape),
    )


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    """Save the inputs and what forward kept."""
    q, k, v, log_decay, beta, _, cu_seqlens, scale, chunk = inputs
    ctx.save_for_backward(q, k, v, log_decay, beta, cu_seqlens, *output[2:])
    ctx.scale, ctx.chunk = scale, chunk


def _differentiate(ctx: Any, d_o: Tensor, d_final: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
    """Call the backward operator; what forward kept has no gradient of its own."""
    del unused
    q, k, v, log_decay, beta, cu_seqlens, *kept = ctx.saved_tensors
    d_q, d_k, d_v, d_g, d_beta, d_state = recurrence_backward(
        q, k, v, log_decay, beta, cu_seqlens, ctx.scale, ctx.chunk, kept, d_o, d_final
    )
    d_g = None if log_decay is None else d_g
    return d_q, d_k, d_v, d_g, None if beta is None else d_beta, d_state, None, None, None


recurrence_forward.register_autograd(_differentiate, setup_context=_keep)


def _layout(q: Tensor, cu_seqlens: Tensor | None, chunk: int) -> ChunkLayout:
    """Tables of chunks and sequences."""
    if cu_seqlens is None:
        return batch_layout(q.shape[0], q.shape[1], chunk, q.device)
    return packed_layout(cu_seqlens, q.shape[1], chunk)


def _flat(x: Tensor | None) -> Tensor | None:
    """[B, T, ...] -> contiguous [tokens, ...]."""
    return None if x is None else x.flatten(0, 1).contiguous()


def _strengths(beta: Tensor | None) -> Tensor | None:
    """[B, T, H] -> contiguous [tokens, H] without zeros."""
    flat = _flat(beta)
    return None if flat is None else flat.masked_fill(flat.abs() < _LEAST_BETA, _LEAST_BETA)
