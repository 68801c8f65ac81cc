"""The generalised delta rule: a state is read along one key, erased along a second, and written along a third.

For every head, with a state S [Dk, Dv]:

    S <- diag(exp(g_t)) S
    S <- S - e_t (S^T p_t)^T + k_t v_t^T
    o_t = scale * S^T q_t

The delta rule is p = k, e = beta k, v = beta v. RWKV-7 (arXiv 2503.14456) and Gated DeltaNet-2 (arXiv 2605.22791) have
keys that differ. In a chunk of C steps, with G the running sum of log decay, S the state on entry and P_xy the scores
sum_d x_id y_jd exp(G_id - G_jd), what the chunk takes out is

    Y  = (I + lower(P_pe))^-1 ((p exp(G)) S + lower(P_pk) V)            lower: below the diagonal
    O  = scale * ((q exp(G)) S + P_qk V - P_qe Y)                       with the diagonal
    S' = exp(G_C) S + (k exp(G_C - G))^T V - (e exp(G_C - G))^T Y

Y is linear in S, so S' = (exp(G_C) + M) S + N with matrices that are computed for all chunks at once: the loop has one
product a chunk. All operations are differentiable; autograd makes the backward.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.recurrence.chunked.inverse import unit_lower_inverse
from kernels.recurrence.chunked.scores import halved_scores

CHUNK_STEPS = 32
_LEAST_LOG_DECAY = -200.0
"""The exponential of anything below is zero in fp32; clamping to it keeps -inf exact."""
_FACTORED_LIMIT = -60.0
"""Fall of G inside a chunk up to which its exponential can be split around the middle of the chunk."""


class _Keys(NamedTuple):
    """The vectors of all chunks, [M, C, Dk] each."""

    q: Tensor
    probe: Tensor
    k: Tensor
    erase: Tensor


class _Scores(NamedTuple):
    """Scores of the vectors that read against those that write, [M, C, C]; no entry is above the diagonal."""

    qk: Tensor
    qe: Tensor
    pk: Tensor
    """Below the diagonal."""
    pe: Tensor
    """Below the diagonal."""


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
    """Decay, take out what `probe` reads along `erase`, write v along k, read with q; see the module.

    q, k, probe, erase, log_decay [B, T, H, Dk], log_decay <= 0; v [B, T, H, Dv]; scale: defaults to Dk ** -0.5.
    initial_state: [B, H, Dk, Dv]; zero if None. Returns (o [B, T, H, Dv] in the dtype of v, final state or None).

    It computes in fp32, or fp64 for fp64 inputs, on any device. It reads how far log_decay falls, so function
    transforms can't map over it. Raises ValueError for shapes that differ.
    """
    _check_shapes(v, q=q, k=k, probe=probe, erase=erase, log_decay=log_decay)
    dtype = torch.float64 if q.dtype == torch.float64 else torch.float32
    batch, length, heads, width = q.shape
    state = v.new_zeros(batch, heads, width, v.shape[-1]) if initial_state is None else initial_state
    with torch.autocast(q.device.type, enabled=False):
        keys = _Keys(*(_chunks(x.to(dtype)) for x in (q, probe, k, erase)))
        decay = _chunks(log_decay.to(dtype).clamp_min(_LEAST_LOG_DECAY))
        o, final = _chunk_form(keys, _chunks(v.to(dtype)), decay, state.to(dtype).flatten(0, 1))
    o = o * (width**-0.5 if scale is None else scale)
    o = o.unflatten(0, (-1, batch, heads)).permute(1, 0, 3, 2, 4).flatten(1, 2)  # [B, N * C, H, Dv]
    return o[:, :length].to(v.dtype), final.unflatten(0, (batch, heads)) if output_final_state else None


def _check_shapes(v: Tensor, **keys: Tensor) -> None:
    expected = keys["q"].shape
    for name, x in keys.items():
        if x.ndim != 4 or x.shape != expected:
            raise ValueError(f"{name} has shape {list(x.shape)}, expected [B, T, H, Dk] as q, {list(expected)}")
    if v.shape[:-1] != expected[:-1]:
        raise ValueError(f"v has shape {list(v.shape)}, expected [B, T, H, Dv] for q {list(expected)}")


def _chunks(x: Tensor) -> Tensor:
    """[B, T, H, D] -> [N * B * H, C, D], the last chunk padded with zeros, which write nothing and decay nothing."""
    padded = F.pad(x, (0, 0, 0, 0, 0, -x.shape[1] % CHUNK_STEPS))
    return padded.unflatten(1, (-1, CHUNK_STEPS)).permute(1, 0, 3, 2, 4).flatten(0, 2)


def _chunk_form(keys: _Keys, v: Tensor, log_decay: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return o [M, C, Dv] without its scale and the final state, from the first state [B * H, Dk, Dv]."""
    sums = log_decay.cumsum(1)  # [M, C, Dk]
    scores = _scores(keys, sums)
    read, last = sums.exp(), sums[:, -1:]
    write = (last - sums).exp()
    solver = unit_lower_inverse(scores.pe)
    taken, removals = solver @ (scores.pk @ v), solver @ (keys.probe * read)  # Y = taken + removals S
    erased = (keys.erase * write).mT
    gain = (keys.k * write).mT @ v - erased @ taken  # [M, Dk, Dv]
    transition = torch.diag_embed(last.exp().squeeze(1)) - erased @ removals  # [M, Dk, Dk]
    entries, final = _entry_states(transition, gain, state)
    o = keys.q * read @ entries + scores.qk @ v - scores.qe @ (taken + removals @ entries)
    return o, final


def _entry_states(transition: Tensor, gain: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state before every chunk, [M, Dk, Dv], and the one after the last."""
    entries = []
    for factor, term in zip(transition.split(len(state)), gain.split(len(state)), strict=True):
        entries.append(state)
        state = torch.baddbmm(term, factor, state)
    return torch.cat(entries), state


def _scores(keys: _Keys, sums: Tensor) -> _Scores:
    """Return the scores of every chunk, by the cheapest form that is exact for its decay."""
    gentle = sums.detach()[:, -1].min().item() > _FACTORED_LIMIT
    qk, qe, pk, pe = (_factored if gentle else _halved)(keys, sums)
    return _Scores(qk.tril(), qe.tril(), pk.tril(-1), pe.tril(-1))


def _factored(keys: _Keys, sums: Tensor) -> list[Tensor]:
    """Split exp(G_i - G_j) around the middle of the chunk: one product for all four."""
    middle = sums[:, CHUNK_STEPS // 2 - 1, None]
    down, up = (sums - middle).exp(), (middle - sums).exp()
    rows = torch.cat([keys.q * down, keys.probe * down], dim=1)
    columns = torch.cat([keys.k * up, keys.erase * up], dim=1)
    upper, lower = (rows @ columns.mT).chunk(2, dim=1)
    return [*upper.chunk(2, dim=2), *lower.chunk(2, dim=2)]


def _halved(keys: _Keys, sums: Tensor) -> list[Tensor]:
    """Take no exponential above one, for any decay."""
    return [halved_scores(row, column, sums) for row in keys[:2] for column in keys[2:]]
