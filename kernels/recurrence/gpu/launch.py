"""The order of the kernels, their buffers and their block sizes; `tuning` chooses warps and pipeline stages."""

# A kernel is indexed by its grid and takes plain numbers for its constants.
# pyright: reportIndexIssue=false, reportArgumentType=false
# ruff: noqa: PLR0913, PLR0917
from typing import NamedTuple

import torch
from torch import Tensor

from kernels.recurrence.gpu.channel import channel_gradient_kernel, channel_scores_kernel
from kernels.recurrence.gpu.gradient import decay_gradient_kernel, gradient_kernel
from kernels.recurrence.gpu.layout import ChunkLayout
from kernels.recurrence.gpu.output import local_gradient_kernel, output_kernel
from kernels.recurrence.gpu.scores import running_sum_kernel, score_gradient_kernel, scores_kernel
from kernels.recurrence.gpu.solve import inverse_kernel, solve_gradient_kernel, solve_kernel
from kernels.recurrence.gpu.sweep import sweep_gradient_kernel, sweep_kernel

# Numbers of a state tile that one program of the sweep holds in registers.
_STATE_NUMBERS = 4096
_MAX_BLOCK_COLUMNS = 64


class Saved(NamedTuple):
    """The tensors that forward saves for backward, with the inputs. Those of an absent input are empty."""

    sums: Tensor
    """Running sums of log decay, [tokens, H, 1 | Dk] fp32."""
    scores: Tensor
    """P, [tokens, H, C]."""
    inverse: Tensor
    """(I + A)^-1, [tokens, H, C] fp32."""
    removals: Tensor
    """(I + A)^-1 beta K exp(G), [tokens, H, Dk]."""
    u: Tensor
    """The writes, [tokens, H, Dv]."""
    entries: Tensor
    """States at the start of every chunk, [NC, H, Dk, Dv]."""


class Widths(NamedTuple):
    """The sizes that all launches share."""

    heads: int
    key: int
    value: int
    decay: int
    """0: none, 1: one a head, 2: one a key channel."""
    delta: bool


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
    """Return (o [tokens, H, Dv], final states [N, H, Dk, Dv] fp32, tensors for backward).

    q, k [tokens, H, Dk], v [tokens, H, Dv], log_decay [tokens, H, 1 | Dk], beta [tokens, H] without zeros and state
    [N, H, Dk, Dv] are contiguous.
    """
    w = _widths(q, v, log_decay, beta)
    chunks, grid = layout.chunks, (layout.chunks.shape[0], w.heads)
    shared = {"C": layout.chunk, "PRECISION": _precision(q.dtype)}
    sums = _running_sums(log_decay, layout, w)
    scores, key_scores = _scores(q, k, sums, beta, layout, w)
    first_u, u, inverse, removals = v, v, state.new_empty(0), q.new_empty(0)
    if beta is not None:
        inverse, removals = torch.zeros_like(key_scores), torch.empty_like(q)
        first_u, u = torch.empty_like(v), torch.empty_like(v)
        inverse_kernel[grid](key_scores, inverse, chunks, w.heads, C=layout.chunk)
        solve_kernel[grid](
            k, v, sums, beta, inverse, first_u, removals, chunks, w.heads, w.key, w.value,
            DECAY=w.decay, BD=_block(max(w.key, w.value)), **shared,
        )  # fmt: skip
    entries, final = q.new_empty(*grid, w.key, w.value), torch.empty_like(state)
    sweep_kernel[_sweep_grid(layout, w)](
        k, sums, first_u, removals, state, entries, u, final, chunks, layout.sequences, w.heads, w.key, w.value,
        DECAY=w.decay, DELTA=w.delta, BK=_power_of_two(w.key), BV=_sweep_block(w), **shared,
    )  # fmt: skip
    o = torch.empty_like(v)
    output_kernel[*grid, _blocks(w.value)](
        q, sums, u, scores, entries, o, chunks, scale, w.heads, w.key, w.value,
        DECAY=w.decay, BK=_block(w.key), BV=_block(w.value), **shared,
    )  # fmt: skip
    return o, final, Saved(sums, scores, inverse, removals, u, entries)


def _scores(
    q: Tensor, k: Tensor, sums: Tensor, beta: Tensor | None, layout: ChunkLayout, w: Widths
) -> tuple[Tensor, Tensor]:
    """Return P and, for the delta rule, A in fp32 (else P again), [tokens, H, C]."""
    scores = q.new_zeros(*q.shape[:2], layout.chunk)
    key_scores = torch.zeros_like(scores, dtype=torch.float32) if w.delta else scores
    grid = layout.chunks.shape[0], w.heads
    # A kernel takes a tensor for every argument; without the delta rule it does not read beta.
    tensors = q, k, sums, q if beta is None else beta, scores, key_scores, layout.chunks
    shared = {"DELTA": w.delta, "C": layout.chunk, "PRECISION": _precision(q.dtype)}
    if w.decay == 2:
        blocks = layout.chunk // 16
        channel_scores_kernel[*grid, blocks](*tensors, w.heads, w.key, BD=min(32, _block(w.key)), **shared)
    else:
        scores_kernel[grid](*tensors, w.heads, w.key, DECAY=w.decay, BD=_block(w.key), **shared)
    return scores, key_scores


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
    """Return the gradients of q, k, v, log decay, beta and the first states, in their shapes; of no input, empty.

    d_o [tokens, H, Dv] and d_final [N, H, Dk, Dv] are contiguous; the other arguments are those of `forward`.
    """
    w = _widths(q, saved.u, log_decay, beta)
    chunks, grid = layout.chunks, (layout.chunks.shape[0], w.heads)
    sums, scores, inverse, removals, u, entries = saved
    shared = {"C": layout.chunk, "PRECISION": _precision(q.dtype)}
    local_d_u, d_u = torch.empty_like(u), torch.empty_like(u)
    local_gradient_kernel[*grid, _blocks(w.value)](
        scores, d_o, local_d_u, chunks, scale, w.heads, w.value, BV=_block(w.value), **shared
    )
    d_exits, d_state = torch.empty_like(entries), torch.empty_like(d_final)
    sweep_gradient_kernel[_sweep_grid(layout, w)](
        q, k, sums, d_o, local_d_u, removals, d_final, d_exits, d_u, d_state, chunks, layout.sequences, scale,
        w.heads, w.key, w.value, DECAY=w.decay, DELTA=w.delta, BK=_power_of_two(w.key), BV=_sweep_block(w), **shared,
    )  # fmt: skip
    d_v, d_beta = d_u, sums.new_empty(0)
    if beta is not None:
        d_v, d_beta = torch.empty_like(u), torch.empty_like(beta)
        solve_gradient_kernel[grid](
            d_u, u, beta, inverse, d_v, d_beta, chunks, w.heads, w.value, BV=_block(w.value), **shared
        )
    d_scores = torch.empty_like(scores)
    d_key_scores = torch.empty_like(scores) if w.delta else scores
    score_gradient_kernel[grid](
        d_o, d_v, u, d_scores, d_key_scores, chunks, scale, w.heads, w.value,
        DELTA=w.delta, BV=_block(w.value), **shared,
    )  # fmt: skip
    d_q, d_k, d_g = _vector_gradients(q, k, saved, d_o, d_v, d_exits, d_scores, d_key_scores, scale, layout, w)
    return d_q, d_k, d_v, d_g, d_beta, d_state


def _vector_gradients(
    q: Tensor, k: Tensor, saved: Saved, d_o: Tensor, d_v: Tensor, d_exits: Tensor, d_scores: Tensor,
    d_key_scores: Tensor, scale: float, layout: ChunkLayout, w: Widths,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Return the gradients of q, k and log decay from those of scores, writes and states."""
    chunks, grid, tokens = layout.chunks, (layout.chunks.shape[0], w.heads), q.shape[0]
    shared = {"C": layout.chunk, "PRECISION": _precision(q.dtype)}
    d_q, d_k = torch.empty_like(q), torch.empty_like(k)
    score_d_q = score_d_k = d_q
    # With a decay the kernel holds the most tiles at once; half the columns keep them in registers.
    columns = min(32, _block(w.key)) if w.decay else _block(w.key)
    shares = -(-w.key // columns)
    d_sums = saved.sums.new_empty(*((shares, tokens, w.heads, 1) if w.decay == 1 else (1, *saved.sums.shape)))
    d_tails = torch.empty_like(d_sums)
    d_totals = d_sums.new_empty(d_sums.shape[0], grid[0], *d_sums.shape[2:])
    if w.decay == 2:
        score_d_q, score_d_k = (torch.empty_like(x, dtype=torch.float32) for x in (q, k))
        channel_gradient_kernel[*grid, layout.chunk // 16 * _blocks(w.key)](
            q, k, saved.sums, d_scores, d_key_scores, score_d_q, score_d_k, d_sums, chunks, w.heads, w.key,
            DELTA=w.delta, BD=_block(w.key), **shared,
        )  # fmt: skip
    gradient_kernel[*grid, shares](
        q, k, saved.sums, saved.u, d_o, d_v, saved.entries, d_exits, d_scores, d_key_scores, score_d_q, score_d_k,
        d_q, d_k, d_sums, d_tails, d_totals, chunks, scale, tokens, grid[0], w.heads, w.key, w.value,
        DECAY=w.decay, DELTA=w.delta, BK=columns, BV=min(32, _block(w.value)), **shared,
    )  # fmt: skip
    return d_q, d_k, _decay_gradient(saved.sums, (d_sums, d_tails, d_totals), layout, w)


def _decay_gradient(sums: Tensor, shares: tuple[Tensor, ...], layout: ChunkLayout, w: Widths) -> Tensor:
    """Return the gradient of log decay, like sums, from the shares [blocks, ...] of `gradient_kernel`."""
    d_g = torch.empty_like(sums)
    if w.decay:
        d_sums, d_tails, d_totals = (x[0] if x.shape[0] == 1 else x.sum(0) for x in shares)
        width = sums.shape[-1]
        decay_gradient_kernel[layout.chunks.shape[0], w.heads, _blocks(width)](
            d_sums, d_tails, d_totals, d_g, layout.chunks, w.heads, width, C=layout.chunk, BD=_block(width)
        )
    return d_g


def _running_sums(log_decay: Tensor | None, layout: ChunkLayout, w: Widths) -> Tensor:
    """Return the running sums of log decay in each chunk, [tokens, H, 1 | Dk]; empty without decay."""
    if log_decay is None:
        return torch.empty(0, device=layout.chunks.device)
    sums = torch.empty_like(log_decay)
    width = log_decay.shape[-1]
    running_sum_kernel[layout.chunks.shape[0], w.heads, _blocks(width)](
        log_decay, sums, layout.chunks, w.heads, width, C=layout.chunk, BD=_block(width)
    )
    return sums


def _widths(q: Tensor, v: Tensor, log_decay: Tensor | None, beta: Tensor | None) -> Widths:
    decay = 0 if log_decay is None else 1 if log_decay.shape[-1] == 1 else 2
    return Widths(q.shape[1], q.shape[2], v.shape[2], decay, beta is not None)


def _precision(dtype: torch.dtype) -> str:
    """Return the precision of fp32 products: fp32, since results have to be right to 1e-5. Others ignore it."""
    return "ieee" if dtype == torch.float32 else "tf32"


def _power_of_two(width: int) -> int:
    """Return the smallest power of two that holds the width, at least 16, the least that a tensor core takes."""
    return max(16, 1 << (width - 1).bit_length())


def _block(width: int) -> int:
    """Return how many columns a program takes at once."""
    return min(_MAX_BLOCK_COLUMNS, _power_of_two(width))


def _blocks(width: int) -> int:
    """Return how many programs share the columns."""
    return -(-width // _block(width))


def _sweep_block(w: Widths) -> int:
    """Return how many value columns one program of the sweep takes, with all key channels."""
    numbers = _STATE_NUMBERS // 2 if w.decay == 2 and w.delta else _STATE_NUMBERS
    return min(_power_of_two(w.value), max(16, numbers // _power_of_two(w.key)))


def _sweep_grid(layout: ChunkLayout, w: Widths) -> tuple[int, int]:
    """Return the grid of one program for each sequence, head and block of value columns."""
    return layout.sequences.shape[0] * w.heads, -(-w.value // _sweep_block(w))
