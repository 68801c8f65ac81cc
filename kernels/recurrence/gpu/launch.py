"""Buffers, block sizes and the order of the kernels; warps and stages are raced (`tuning`)."""

# A kernel is indexed by its grid and takes plain numbers for its constants.
# pyright: reportIndexIssue=false, reportArgumentType=false
# ruff: noqa: PLR0913, PLR0917
from typing import NamedTuple

import torch
from torch import Tensor

from kernels.recurrence.gpu.channel import channel_gradient_kernel, channel_scores_kernel
from kernels.recurrence.gpu.gradient import decay_gradient_kernel, gradient_kernel
from kernels.recurrence.gpu.layout import ChunkLayout
from kernels.recurrence.gpu.output import local_slopes_kernel, output_kernel
from kernels.recurrence.gpu.scores import running_sum_kernel, score_slopes_kernel, scores_kernel
from kernels.recurrence.gpu.solve import inverse_kernel, solve_kernel, unsolve_kernel
from kernels.recurrence.gpu.sweep import sweep_back_kernel, sweep_kernel

# Numbers of a state tile that one program of the sweep holds in registers.
_STATE_NUMBERS = 4096
_BLOCK = 64


class Saved(NamedTuple):
    """What backward takes from forward, beside the inputs. Absent ones are empty tensors."""

    sums: Tensor
    """Running log decay, [tokens, H, 1 | Dk] fp32."""
    scores: Tensor
    """P, [tokens, H, C]."""
    inverse: Tensor
    """(I + A)^-1, [tokens, H, C] fp32."""
    removals: Tensor
    """[tokens, H, Dk]."""
    u: Tensor
    """The writes, [tokens, H, Dv]."""
    entries: Tensor
    """Entry states, [NC, H, Dk, Dv]."""


class Widths(NamedTuple):
    """Sizes that the launches share."""

    heads: int
    key: int
    value: int
    decay: int
    """0: none, 1: one a head, 2: one a key channel."""
    delta: bool


def widths(q: Tensor, v: Tensor, log_decay: Tensor | None, beta: Tensor | None) -> Widths:
    """Read the sizes off the inputs [tokens, H, D]."""
    decay = 0 if log_decay is None else 1 if log_decay.shape[-1] == 1 else 2
    return Widths(q.shape[1], q.shape[2], v.shape[2], decay, beta is not None)


def forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    state: Tensor,
    scale: float,
    layout: ChunkLayout,
) -> tuple[Tensor, Tensor, Saved]:
    """(o [tokens, H, Dv], final states [N, H, Dk, Dv] fp32, what to keep); inputs contiguous [tokens, H, ...]."""
    w = widths(q, v, log_decay, beta)
    count, chunk = layout.chunks.shape[0], layout.chunk
    shared = {"C": chunk, "PRECISION": precision(q.dtype)}
    sums = _running_sums(log_decay, layout, w)
    scores = q.new_zeros(*q.shape[:2], chunk)
    links = torch.zeros_like(scores, dtype=torch.float32) if w.delta else scores
    beta_or_q = q if beta is None else beta
    arguments = (q, k, sums, beta_or_q, scores, links, layout.chunks, w.heads, w.key)
    if w.decay == 2:
        grid = (count, w.heads, chunk // 16)
        channel_scores_kernel[grid](*arguments, DELTA=w.delta, BD=min(32, block(w.key)), **shared)
    else:
        scores_kernel[(count, w.heads)](*arguments, DECAY=w.decay, DELTA=w.delta, BD=block(w.key), **shared)
    written, inverse, removals, u = v, state.new_empty(0), q.new_empty(0), v
    if w.delta:
        inverse, removals = torch.zeros_like(links), torch.empty_like(q)
        u, written = torch.empty_like(v), torch.empty_like(v)
        inverse_kernel[(count, w.heads)](links, inverse, layout.chunks, w.heads, C=chunk)
        solve_kernel[(count, w.heads)](
            k, v, sums, beta_or_q, inverse, u, removals, layout.chunks, w.heads, w.key, w.value,
            DECAY=w.decay, BD=block(max(w.key, w.value)), **shared,
        )  # fmt: skip
    entries = q.new_empty(count, w.heads, w.key, w.value)
    final = torch.empty_like(state)
    sweep_kernel[sweep_grid(layout, w)](
        k, sums, u, removals, state, entries, written, final, layout.chunks, layout.sequences, w.heads, w.key, w.value,
        DECAY=w.decay, DELTA=w.delta, BK=power(w.key), BV=sweep_block(w), **shared,
    )  # fmt: skip
    o = torch.empty_like(v)
    output_kernel[(count, w.heads, blocks(w.value))](
        q, sums, written, scores, entries, o, layout.chunks, scale, w.heads, w.key, w.value,
        DECAY=w.decay, BK=block(w.key), BV=block(w.value), **shared,
    )  # fmt: skip
    return o, final, Saved(sums, scores, inverse, removals, written, entries)


def backward(
    q: Tensor,
    k: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    saved: Saved,
    d_o: Tensor,
    d_final: Tensor,
    scale: float,
    layout: ChunkLayout,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, k, v, log decay, beta and the first states; empty where there is no such input."""
    w = widths(q, saved.u, log_decay, beta)
    count, chunk = layout.chunks.shape[0], layout.chunk
    sums, scores, inverse, removals, u, entries = saved
    shared = {"C": chunk, "PRECISION": precision(q.dtype)}
    local, d_u = torch.empty_like(u), torch.empty_like(u)
    local_slopes_kernel[(count, w.heads, blocks(w.value))](
        scores, d_o, local, layout.chunks, scale, w.heads, w.value, BV=block(w.value), **shared
    )
    exits, d_state = torch.empty_like(entries), torch.empty_like(d_final)
    sweep_back_kernel[sweep_grid(layout, w)](
        q, k, sums, d_o, local, removals, d_final, exits, d_u, d_state, layout.chunks, layout.sequences, scale,
        w.heads, w.key, w.value, DECAY=w.decay, DELTA=w.delta, BK=power(w.key), BV=sweep_block(w), **shared,
    )  # fmt: skip
    d_v, d_beta = d_u, sums.new_empty(0)
    if beta is not None:
        d_v, d_beta = torch.empty_like(u), torch.empty_like(beta)
        unsolve_kernel[(count, w.heads)](
            d_u, u, beta, inverse, d_v, d_beta, layout.chunks, w.heads, w.value, BV=block(w.value), **shared
        )
    d_scores = torch.empty_like(scores)
    d_links = torch.empty_like(scores) if w.delta else scores
    score_slopes_kernel[(count, w.heads)](
        d_o, d_v, u, d_scores, d_links, layout.chunks, scale, w.heads, w.value,
        DELTA=w.delta, BV=block(w.value), **shared,
    )  # fmt: skip
    d_q, d_k, d_g = _finish(q, k, saved, d_o, d_v, exits, d_scores, d_links, scale, layout, w)
    return d_q, d_k, d_v, d_g, d_beta, d_state


def _finish(
    q: Tensor, k: Tensor, saved: Saved, d_o: Tensor, d_v: Tensor, exits: Tensor, d_scores: Tensor, d_links: Tensor,
    scale: float, layout: ChunkLayout, w: Widths,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of q, k and log decay from those of scores, writes and states."""
    count, chunk, tokens = layout.chunks.shape[0], layout.chunk, q.shape[0]
    shared = {"C": chunk, "PRECISION": precision(q.dtype)}
    d_q, d_k = torch.empty_like(q), torch.empty_like(k)
    inner_q = inner_k = d_q
    # With a decay the most tiles are held at once; half the columns keep them in registers.
    columns = min(32, block(w.key)) if w.decay else block(w.key)
    shares = -(-w.key // columns)
    felt = saved.sums.new_empty(*((shares, tokens, w.heads, 1) if w.decay == 1 else (1, *saved.sums.shape)))
    written = torch.empty_like(felt)
    carried = felt.new_empty(felt.shape[0], count, *felt.shape[2:])
    if w.decay == 2:
        inner_q, inner_k = (torch.empty_like(x, dtype=torch.float32) for x in (q, k))
        channel_gradient_kernel[(count, w.heads, chunk // 16 * blocks(w.key))](
            q, k, saved.sums, d_scores, d_links, inner_q, inner_k, felt, layout.chunks, w.heads, w.key,
            DELTA=w.delta, BD=block(w.key), **shared,
        )  # fmt: skip
    gradient_kernel[(count, w.heads, shares)](
        q, k, saved.sums, saved.u, d_o, d_v, saved.entries, exits, d_scores, d_links, inner_q, inner_k, d_q, d_k,
        felt, written, carried, layout.chunks, scale, tokens, count, w.heads, w.key, w.value,
        DECAY=w.decay, DELTA=w.delta, BK=columns, BV=min(32, block(w.value)), **shared,
    )  # fmt: skip
    d_g = torch.empty_like(saved.sums)
    if w.decay:
        felt, written, carried = (x[0] if x.shape[0] == 1 else x.sum(0) for x in (felt, written, carried))
        width = saved.sums.shape[-1]
        decay_gradient_kernel[(count, w.heads, blocks(width))](
            felt, written, carried, d_g, layout.chunks, w.heads, width, C=chunk, BD=block(width)
        )
    return d_q, d_k, d_g


def _running_sums(log_decay: Tensor | None, layout: ChunkLayout, w: Widths) -> Tensor:
    """Return running log decay in each chunk, like log_decay [tokens, H, 1 | Dk]; empty without decay."""
    if log_decay is None:
        return torch.empty(0, device=layout.chunks.device)
    sums = torch.empty_like(log_decay)
    width = log_decay.shape[-1]
    running_sum_kernel[(layout.chunks.shape[0], w.heads, blocks(width))](
        log_decay, sums, layout.chunks, w.heads, width, C=layout.chunk, BD=block(width)
    )
    return sums


def precision(dtype: torch.dtype) -> str:
    """How products of fp32 operands are taken: as fp32, since the bar is 1e-5; of no consequence to other dtypes."""
    return "ieee" if dtype == torch.float32 else "tf32"


def power(width: int) -> int:
    """Return the smallest power of two that holds the width, at least 16 (the least a tensor core takes)."""
    return max(16, 1 << (width - 1).bit_length())


def block(width: int) -> int:
    """Columns a program takes at once."""
    return min(_BLOCK, power(width))


def blocks(width: int) -> int:
    """Programs that share the columns."""
    return -(-width // block(width))


def sweep_block(w: Widths) -> int:
    """Value columns one program of the sweep takes, all key channels being with it."""
    numbers = _STATE_NUMBERS // 2 if w.decay == 2 and w.delta else _STATE_NUMBERS
    return min(power(w.value), max(16, numbers // power(w.key)))


def sweep_grid(layout: ChunkLayout, w: Widths) -> tuple[int, int]:
    """One program a sequence, head and block of value columns."""
    return layout.sequences.shape[0] * w.heads, -(-w.value // sweep_block(w))
