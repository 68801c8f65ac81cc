"""The kernels as registered operators, so that autograd, torch.compile and shape inference know them.

Arguments are canonical: [B, T, H, D], fp32 decay and strength, one state a sequence. For an absent argument, the
gradient and the tensors saved for backward are empty.
"""

# An operator takes every tensor as an argument of its own.
# ruff: noqa: PLR0913, PLR0917
from typing import Any

import torch
from torch import Tensor

from kernels.recurrence.arguments import lift_zero_strengths
from kernels.recurrence.gpu import launch
from kernels.recurrence.gpu.layout import ChunkLayout, batch_layout, packed_layout


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
    """Return o, the final state, then for backward: running sums, scores, inverse, removals, writes, entry states."""
    layout = _layout(q, cu_seqlens, chunk)
    decay, strength = _flat(log_decay), _strengths(beta)
    o, final, saved = launch.forward(
        q.flatten(0, 1).contiguous(), k.flatten(0, 1).contiguous(), v.flatten(0, 1).contiguous(), decay, strength,
        state.contiguous(), scale, layout,
    )  # fmt: skip
    # The additive rule writes v itself, and an operator may not return its argument.
    u = v.new_empty(0) if beta is None else saved.u
    return o.view(v.shape), final, saved.sums, saved.scores, saved.inverse, saved.removals, u, saved.entries


@recurrence_forward.register_fake
def _empty_outputs(
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
    """Return empty tensors of the outputs' shapes."""
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
    saved: list[Tensor],
    d_o: Tensor,
    d_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of q, k, v, log decay, beta and state, in their shapes."""
    layout = _layout(q, cu_seqlens, chunk)
    values = v.flatten(0, 1).contiguous()
    sums, scores, inverse, removals, u, entries = saved
    tensors = launch.Saved(sums, scores, inverse, removals, values if beta is None else u, entries)
    d_q, d_k, d_v, d_g, d_beta, d_state = launch.backward(
        q.flatten(0, 1).contiguous(), k.flatten(0, 1).contiguous(), _flat(log_decay), _strengths(beta), tensors,
        d_o.flatten(0, 1).contiguous(), d_final.contiguous(), scale, layout,
    )  # fmt: skip
    if log_decay is not None:
        d_g = d_g.view(log_decay.shape)
    if beta is not None:
        d_beta = d_beta.view(beta.shape)
    return d_q.view(q.shape), d_k.view(k.shape), d_v.view(v.shape), d_g, d_beta, d_state


@recurrence_backward.register_fake
def _empty_gradients(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    cu_seqlens: Tensor | None,
    scale: float,
    chunk: int,
    saved: list[Tensor],
    d_o: Tensor,
    d_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return empty tensors of the gradients' shapes."""
    del cu_seqlens, scale, chunk, saved, d_o
    absent = d_final.new_empty(0)
    return (
        q.new_empty(q.shape),
        k.new_empty(k.shape),
        v.new_empty(v.shape),
        absent if log_decay is None else log_decay.new_empty(log_decay.shape),
        d_final.new_empty(0) if beta is None else beta.new_empty(beta.shape),
        d_final.new_empty(d_final.shape),
    )


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    """Save the inputs, and the outputs after o and the final state."""
    q, k, v, log_decay, beta, _, cu_seqlens, scale, chunk = inputs
    ctx.save_for_backward(q, k, v, log_decay, beta, cu_seqlens, *output[2:])
    ctx.scale, ctx.chunk = scale, chunk


def _differentiate(ctx: Any, d_o: Tensor, d_final: Tensor, *d_saved: Tensor) -> tuple[Tensor | None, ...]:
    """Call the backward operator; no caller sees the saved outputs, so their gradients are zero."""
    del d_saved
    q, k, v, log_decay, beta, cu_seqlens, *saved = ctx.saved_tensors
    d_q, d_k, d_v, d_g, d_beta, d_state = recurrence_backward(
        q, k, v, log_decay, beta, cu_seqlens, ctx.scale, ctx.chunk, saved, d_o, d_final
    )
    d_g = None if log_decay is None else d_g
    return d_q, d_k, d_v, d_g, None if beta is None else d_beta, d_state, None, None, None


recurrence_forward.register_autograd(_differentiate, setup_context=_save_for_backward)


def _layout(q: Tensor, cu_seqlens: Tensor | None, chunk: int) -> ChunkLayout:
    if cu_seqlens is None:
        return batch_layout(q.shape[0], q.shape[1], chunk, q.device)
    return packed_layout(cu_seqlens, q.shape[1], chunk)


def _flat(x: Tensor | None) -> Tensor | None:
    """[B, T, ...] -> contiguous [tokens, ...]."""
    return None if x is None else x.flatten(0, 1).contiguous()


def _strengths(beta: Tensor | None) -> Tensor | None:
    """[B, T, H] -> contiguous [tokens, H] without zeros."""
    flat = _flat(beta)
    return None if flat is None else lift_zero_strengths(flat)
