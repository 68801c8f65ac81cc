"""Decay inside a chunk for the hand-written backward: three ways, chosen by how strong the decay is.

G is the running sum of log decay inside the chunk, [M, C, 1] for one decay a head or [M, C, Dk] for one a key channel.
`rows` are the vectors that read, [M, R * C, Dk]: queries, and for the delta rule the keys below them (R = 2). The
scores are sum_d rows_id k_jd exp(G_id - G_jd), meaningful for i >= j.

- `Undecayed`: no decay at all.
- `Factored`: rows exp(G) against k exp(-G), one product. Only where exp(-G) stays in range; the caller shortens the
  chunk (`gentle_chunk`) until it does.
- `Weighted`: any decay, one a head: the weights exp(G_i - G_j) are a matrix.
- `Halved`: any decay, one a channel: see `scores`.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.recurrence.chunked.scores import halved_scores, weights

# Factors may reach exp(FACTORED_REACH): beyond it fp32 would overflow.
FACTORED_REACH = 80.0
# Up to here the diagonal may stay in the products; beyond, it would drown the gradient of the decay.
_GENTLE_REACH = 30.0
_SHORTEST = 16
# Below this summed log decay a chunk, fp32 cannot resolve differences of the running sum to 1e-5.
_SINGLE_REACH = -96.0


class Decay(Protocol):
    """What the chunk form asks of a decay."""

    reads: Tensor
    """rows exp(G), [M, R * C, Dk]."""
    writes: Tensor
    """k exp(G_C - G), [M, C, Dk]."""
    carried: Tensor | None
    """exp(G_C), [M, 1 | Dk, 1], what is left of the entry state at the chunk's end; None for all of it."""

    def scores(self, rows: slice) -> Tensor:
        """Scores of some of the rows, [M, rows, C]; entries above the diagonal are unspecified."""
        ...

    def backward(
        self, d_scores: Tensor, d_reads: Tensor, d_writes: Tensor, d_carried: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """(d rows, d k, d log decay) from the gradients of scores (zero above the diagonal), reads, writes, carried.

        May overwrite its arguments.
        """
        ...


def choose(rows: Tensor, k: Tensor, log_decay: Tensor | None) -> Decay:
    """Return the cheapest of the three ways that is exact for these tiles."""
    if log_decay is None:
        return Undecayed(rows, k)
    cumulative = log_decay.cumsum(1)
    reach = cumulative[:, -1].min().item()
    per_head = log_decay.shape[-1] == 1
    if reach > -(_GENTLE_REACH if per_head else FACTORED_REACH):
        return Factored(rows, k, cumulative, steep=reach < -_GENTLE_REACH)
    if reach < _SINGLE_REACH:
        cumulative = log_decay.double().cumsum(1)
    return (Weighted if per_head else Halved)(rows, k, cumulative)


def gentle_chunk(log_decay: Tensor, chunk: int) -> int:
    """Return the longest chunk up to `chunk` in which decay a key channel can be factored, `chunk` if there is none.

    log_decay is [B, T, H, Dk].
    """
    missing = -log_decay.shape[1] % chunk
    sums = F.pad(log_decay.detach(), (0, 0, 0, 0, 0, missing)).unflatten(1, (-1, _SHORTEST)).sum(2)
    length = _SHORTEST
    best = chunk
    while length <= chunk and sums.min().item() > -(_GENTLE_REACH if length > _SHORTEST else FACTORED_REACH):
        best = length
        length *= 2
        sums = sums.unflatten(1, (-1, 2)).sum(2) if length <= chunk else sums
    return best


class Undecayed:
    """Nothing is forgotten."""

    def __init__(self, rows: Tensor, k: Tensor) -> None:
        """Rows [M, R * C, Dk] and keys [M, C, Dk]."""
        self.reads, self.writes = rows, k
        self.carried: Tensor | None = None

    def scores(self, rows: slice) -> Tensor:
        """Plain products."""
        return self.reads[:, rows] @ self.writes.mT

    def backward(
        self, d_scores: Tensor, d_reads: Tensor, d_writes: Tensor, d_carried: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Two products, added in place."""
        del d_carried
        return d_reads.baddbmm_(d_scores, self.writes), d_writes.baddbmm_(d_scores.mT, self.reads), None


class Factored:
    """Gentle decay: exp(G) goes to the rows and exp(-G) to the keys, and the rest is as without decay."""

    def __init__(self, rows: Tensor, k: Tensor, cumulative: Tensor, steep: bool) -> None:
        """Rows [M, R * C, Dk], keys [M, C, Dk], G [M, C, 1 | Dk]; steep decay needs its diagonal set aside."""
        self.steep = steep
        self.grown = cumulative.neg().exp_()
        self.shrunk = cumulative.exp()
        last = self.shrunk[:, -1:]
        self.carried: Tensor | None = last.mT
        self.reads = _by_chunk(rows, k.shape[1]).mul(self.shrunk[:, None]).flatten(1, 2)
        self.keys = k * self.grown
        self.writes = self.keys * last

    def scores(self, rows: slice) -> Tensor:
        """One product of the scaled factors."""
        return self.reads[:, rows] @ self.keys.mT

    def backward(
        self, d_scores: Tensor, d_reads: Tensor, d_writes: Tensor, d_carried: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """As without decay, then undo the scaling; the decay's gradient is what the factors felt."""
        assert d_carried is not None
        assert self.carried is not None
        per_head = self.shrunk.shape[-1] == 1
        chunk = self.keys.shape[1]
        own = _take_diagonal(d_scores[:, :chunk]) if self.steep else None
        d_reads.baddbmm_(d_scores, self.keys)
        d_keys = d_scores.mT @ self.reads
        felt = _felt(self.reads, d_reads, per_head, chunk) - _dot(self.keys, d_keys, per_head)
        d_decay = _to_steps(felt, _dot(self.writes, d_writes, per_head), d_carried * self.carried)
        if own is not None:
            d_reads[:, :chunk].addcmul_(own, self.keys)
            d_keys.addcmul_(own, self.reads[:, :chunk])
        d_keys.addcmul_(d_writes, self.shrunk[:, -1:])
        d_rows = _by_chunk(d_reads, self.keys.shape[1]).mul_(self.shrunk[:, None]).flatten(1, 2)
        return d_rows, d_keys.mul_(self.grown), d_decay


class Weighted:
    """Any decay, one a head: the weights exp(G_i - G_j) as a matrix [M, C, C]."""

    def __init__(self, rows: Tensor, k: Tensor, cumulative: Tensor) -> None:
        """Rows [M, R * C, Dk], keys [M, C, Dk], G [M, C, 1], fp64 where fp32 would not resolve it."""
        self.rows, self.keys = rows, k
        self.shrunk = cumulative.exp().to(k.dtype)
        self.left = (cumulative[:, -1:] - cumulative).exp_().to(k.dtype)
        self.carried: Tensor | None = self.shrunk[:, -1:].mT
        self.weights = weights(cumulative, k.dtype)
        self.reads = _by_chunk(rows, k.shape[1]).mul(self.shrunk[:, None]).flatten(1, 2)
        self.writes = k * self.left

    def scores(self, rows: slice) -> Tensor:
        """One product, weighted."""
        scores = self.rows[:, rows] @ self.keys.mT
        _by_chunk(scores, self.keys.shape[1]).mul_(self.weights[:, None])
        return scores

    def backward(
        self, d_scores: Tensor, d_reads: Tensor, d_writes: Tensor, d_carried: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Set the diagonal aside: it has no decay, and its large terms would drown what the decay feels."""
        assert d_carried is not None
        assert self.carried is not None
        chunk = self.keys.shape[1]
        own = _take_diagonal(d_scores[:, :chunk])
        _by_chunk(d_scores, chunk).mul_(self.weights[:, None])
        d_rows, d_keys = d_scores @ self.keys, d_scores.mT @ self.rows
        felt = _felt(self.rows, d_rows, True, chunk) - _dot(self.keys, d_keys, True)
        felt += _felt(self.reads, d_reads, True, chunk)
        d_decay = _to_steps(felt, _dot(self.writes, d_writes, True), d_carried * self.carried)
        _by_chunk(d_rows, chunk).addcmul_(_by_chunk(d_reads, chunk), self.shrunk[:, None])
        d_rows[:, :chunk].addcmul_(own, self.keys)
        d_keys.addcmul_(d_writes, self.left).addcmul_(own, self.rows[:, :chunk])
        return d_rows, d_keys, d_decay


class Halved:
    """Any decay, one a key channel: exact and slower; its backward differentiates the scores as written."""

    def __init__(self, rows: Tensor, k: Tensor, cumulative: Tensor) -> None:
        """Rows [M, R * C, Dk], keys [M, C, Dk], G [M, C, Dk], fp64 where fp32 would not resolve it."""
        self.rows, self.keys, self.cumulative = rows, k, cumulative
        self.shrunk = cumulative.exp().to(k.dtype)
        self.left = (cumulative[:, -1:] - cumulative).exp_().to(k.dtype)
        self.carried: Tensor | None = self.shrunk[:, -1:].mT
        self.reads = _by_chunk(rows, k.shape[1]).mul(self.shrunk[:, None]).flatten(1, 2)
        self.writes = k * self.left

    def scores(self, rows: slice) -> Tensor:
        """Squares of the triangle, each with its own reference."""
        parts = _by_chunk(self.rows[:, rows], self.keys.shape[1]).unbind(1)
        return torch.cat([halved_scores(part, self.keys, self.cumulative) for part in parts], dim=1)

    def backward(
        self, d_scores: Tensor, d_reads: Tensor, d_writes: Tensor, d_carried: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Autograd through the scores, by hand for the rest."""
        assert d_carried is not None
        assert self.carried is not None
        chunk = self.keys.shape[1]
        inputs = [x.detach().requires_grad_() for x in (self.rows, self.keys, self.cumulative)]
        with torch.enable_grad():
            rows, keys, cumulative = inputs
            parts = _by_chunk(rows, chunk).unbind(1)
            scores = torch.cat([halved_scores(part, keys, cumulative) for part in parts], dim=1)
        d_rows, d_keys, felt = torch.autograd.grad(scores, inputs, d_scores)
        felt = felt.to(self.keys.dtype) + _felt(self.reads, d_reads, False, chunk)
        d_decay = _to_steps(felt, _dot(self.writes, d_writes, False), d_carried * self.carried)
        _by_chunk(d_rows, chunk).addcmul_(_by_chunk(d_reads, chunk), self.shrunk[:, None])
        return d_rows, d_keys.addcmul_(d_writes, self.left), d_decay


def _by_chunk(rows: Tensor, chunk: int) -> Tensor:
    """[M, R * C, D] -> [M, R, C, D], a view."""
    return rows.unflatten(1, (-1, chunk))


def _take_diagonal(square: Tensor) -> Tensor:
    """Move the diagonal of [M, C, C] out into [M, C, 1], leaving zeros."""
    diagonal = square.diagonal(dim1=1, dim2=2)
    taken = diagonal.clone()[..., None]
    diagonal.zero_()
    return taken


def _dot(a: Tensor, b: Tensor, per_head: bool) -> Tensor:
    """Return a * b, summed over the width where the decay is one a head."""
    product = a * b
    return product.sum(-1, keepdim=True) if per_head else product


def _felt(rows: Tensor, d_rows: Tensor, per_head: bool, chunk: int) -> Tensor:
    """Return what the rows of each step felt, queries and keys together: [M, C, 1 | Dk]."""
    return _by_chunk(_dot(rows, d_rows, per_head), chunk).sum(1)


def _to_steps(felt: Tensor, written: Tensor, d_carried: Tensor) -> Tensor:
    """From the gradient of the running sum to the gradient of each step's log decay, [M, C, 1 | Dk].

    `felt` reaches back to every earlier step; `written` (what the exit state felt of each write) concerns the steps
    after the write; what was carried over concerns all steps. Kept apart, no large terms cancel.
    """
    suffix = felt.flip(1).cumsum(1).flip(1)
    before = written[:, :-1].cumsum(1)
    suffix[:, 1:].add_(before)
    return suffix.add_(d_carried.mT)
