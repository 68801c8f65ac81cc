"""Decay inside a chunk for the hand-written backward: one class a form, chosen by how strong the decay is.

G is the running sum of log decay inside the chunk, [M, C, 1] for one decay a head or [M, C, Dk] for one a key channel.
`rows` are the vectors that read, [M, R * C, Dk]: queries, and for the delta rule the keys below them (R = 2). The
scores are sum_d rows_id k_jd exp(G_id - G_jd); entries above the diagonal have no meaning.

- `NoDecay`: all factors are one.
- `FactoredDecay`: rows exp(G) times k exp(-G), one product. It is exact only while exp(-G) stays in range; for one
  decay a key channel the caller shortens the chunk (`factorable_chunk`).
- `WeightedDecay`: any decay, one a head: the weights exp(G_i - G_j) are a matrix.
- `HalvedDecay`: any decay, one a key channel: see `scores`.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.recurrence.chunked.scores import halved_scores, weights

# Limits on how far G falls inside a chunk, in nats. Beyond the first, the factor exp(-G) would overflow fp32.
_FACTORED_LIMIT = -80.0
# Beyond this, the diagonal of the scores has to stay out of the products: it would drown the gradient of the decay.
_GENTLE_LIMIT = -30.0
# Beyond this, fp32 cannot resolve differences of G to 1e-5.
_FP32_LIMIT = -96.0
_MIN_CHUNK_STEPS = 16


class Decay(Protocol):
    """The factors that the decay of a chunk applies, and their backward."""

    read_rows: Tensor
    """rows exp(G), [M, R * C, Dk]."""
    write_keys: Tensor
    """k exp(G_C - G), [M, C, Dk]."""
    state_decay: Tensor | None
    """exp(G_C), the factor on the entry state at the chunk's end, [M, 1 | Dk, 1]; None without decay."""

    def scores(self, rows: slice) -> Tensor:
        """Return the scores of some of the rows, [M, rows, C]; entries above the diagonal are unspecified."""
        ...

    def backward(
        self, d_scores: Tensor, d_read_rows: Tensor, d_write_keys: Tensor, d_state_decay: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return (d rows, d k, d log decay), each in the shape of its tensor.

        d_scores must be zero above the diagonal. The call may overwrite its arguments.
        """
        ...


def choose_decay(rows: Tensor, k: Tensor, log_decay: Tensor | None) -> Decay:
    """Return the cheapest form that is exact for these rows [M, R * C, Dk], k [M, C, Dk], log decay [M, C, 1 | Dk]."""
    if log_decay is None:
        return NoDecay(rows, k)
    sums = log_decay.cumsum(1)
    least = sums[:, -1].min().item()
    per_head = log_decay.shape[-1] == 1
    if least > (_GENTLE_LIMIT if per_head else _FACTORED_LIMIT):
        return FactoredDecay(rows, k, sums, steep=least < _GENTLE_LIMIT)
    if least < _FP32_LIMIT:
        sums = log_decay.double().cumsum(1)
    return (WeightedDecay if per_head else HalvedDecay)(rows, k, sums)


def factorable_chunk(log_decay: Tensor, chunk: int) -> int:
    """Return the longest chunk, at most `chunk`, in which decay a key channel can be factored, or `chunk` if none can.

    log_decay [B, T, H, Dk]; chunks in steps.
    """
    padding = -log_decay.shape[1] % chunk
    sums = F.pad(log_decay.detach(), (0, 0, 0, 0, 0, padding)).unflatten(1, (-1, _MIN_CHUNK_STEPS)).sum(2)
    length = _MIN_CHUNK_STEPS
    best = chunk
    while length <= chunk and sums.min().item() > (_GENTLE_LIMIT if length > _MIN_CHUNK_STEPS else _FACTORED_LIMIT):
        best = length
        length *= 2
        sums = sums.unflatten(1, (-1, 2)).sum(2) if length <= chunk else sums
    return best


class NoDecay:
    """The state keeps everything: all factors are one."""

    def __init__(self, rows: Tensor, k: Tensor) -> None:
        """Take rows [M, R * C, Dk] and keys [M, C, Dk]."""
        self.read_rows, self.write_keys = rows, k
        self.state_decay: Tensor | None = None

    def scores(self, rows: slice) -> Tensor:
        """Return plain products."""
        return self.read_rows[:, rows] @ self.write_keys.mT

    def backward(
        self, d_scores: Tensor, d_read_rows: Tensor, d_write_keys: Tensor, d_state_decay: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Add two products in place."""
        del d_state_decay
        d_rows = d_read_rows.baddbmm_(d_scores, self.write_keys)
        return d_rows, d_write_keys.baddbmm_(d_scores.mT, self.read_rows), None


class FactoredDecay:
    """Gentle decay: the rows take the factor exp(G), the keys exp(-G), and the scores are plain products."""

    def __init__(self, rows: Tensor, k: Tensor, sums: Tensor, steep: bool) -> None:
        """Take rows [M, R * C, Dk], keys [M, C, Dk] and G [M, C, 1 | Dk]; steep: the diagonal must stay out."""
        self.steep = steep
        self.key_growth = sums.neg().exp_()
        self.read_decay = sums.exp()
        last = self.read_decay[:, -1:]
        self.state_decay: Tensor | None = last.mT
        self.read_rows = _by_kind(rows, k.shape[1]).mul(self.read_decay[:, None]).flatten(1, 2)
        self.keys = k * self.key_growth
        self.write_keys = self.keys * last

    def scores(self, rows: slice) -> Tensor:
        """Return one product of the scaled factors."""
        return self.read_rows[:, rows] @ self.keys.mT

    def backward(
        self, d_scores: Tensor, d_read_rows: Tensor, d_write_keys: Tensor, d_state_decay: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Differentiate the products, take the decay's gradient from the scaled factors, then undo the scaling."""
        assert d_state_decay is not None
        assert self.state_decay is not None
        per_head = self.read_decay.shape[-1] == 1
        chunk = self.keys.shape[1]
        diagonal = _take_diagonal(d_scores[:, :chunk]) if self.steep else None
        d_read_rows.baddbmm_(d_scores, self.keys)
        d_keys = d_scores.mT @ self.read_rows
        d_sums = _row_log_gradient(self.read_rows, d_read_rows, per_head, chunk)
        d_sums = d_sums - _log_gradient(self.keys, d_keys, per_head)
        d_tails = _log_gradient(self.write_keys, d_write_keys, per_head)
        d_decay = _step_gradient(d_sums, d_tails, d_state_decay * self.state_decay)
        if diagonal is not None:
            d_read_rows[:, :chunk].addcmul_(diagonal, self.keys)
            d_keys.addcmul_(diagonal, self.read_rows[:, :chunk])
        d_keys.addcmul_(d_write_keys, self.read_decay[:, -1:])
        d_rows = _by_kind(d_read_rows, chunk).mul_(self.read_decay[:, None]).flatten(1, 2)
        return d_rows, d_keys.mul_(self.key_growth), d_decay


class WeightedDecay:
    """Any decay, one a head: the weights exp(G_i - G_j) as a matrix [M, C, C]."""

    def __init__(self, rows: Tensor, k: Tensor, sums: Tensor) -> None:
        """Take rows [M, R * C, Dk], keys [M, C, Dk] and G [M, C, 1], in fp64 if fp32 would not resolve it."""
        self.rows, self.keys = rows, k
        self.read_decay = sums.exp().to(k.dtype)
        self.write_decay = (sums[:, -1:] - sums).exp_().to(k.dtype)
        self.state_decay: Tensor | None = self.read_decay[:, -1:].mT
        self.weights = weights(sums, k.dtype)
        self.read_rows = _by_kind(rows, k.shape[1]).mul(self.read_decay[:, None]).flatten(1, 2)
        self.write_keys = k * self.write_decay

    def scores(self, rows: slice) -> Tensor:
        """Return one product, weighted."""
        scores = self.rows[:, rows] @ self.keys.mT
        _by_kind(scores, self.keys.shape[1]).mul_(self.weights[:, None])
        return scores

    def backward(
        self, d_scores: Tensor, d_read_rows: Tensor, d_write_keys: Tensor, d_state_decay: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keep the diagonal out: it has no decay, and its large terms would drown the gradient of the decay."""
        assert d_state_decay is not None
        assert self.state_decay is not None
        chunk = self.keys.shape[1]
        diagonal = _take_diagonal(d_scores[:, :chunk])
        _by_kind(d_scores, chunk).mul_(self.weights[:, None])
        d_rows, d_keys = d_scores @ self.keys, d_scores.mT @ self.rows
        d_sums = _row_log_gradient(self.rows, d_rows, True, chunk) - _log_gradient(self.keys, d_keys, True)
        d_sums += _row_log_gradient(self.read_rows, d_read_rows, True, chunk)
        d_tails = _log_gradient(self.write_keys, d_write_keys, True)
        d_decay = _step_gradient(d_sums, d_tails, d_state_decay * self.state_decay)
        _by_kind(d_rows, chunk).addcmul_(_by_kind(d_read_rows, chunk), self.read_decay[:, None])
        d_rows[:, :chunk].addcmul_(diagonal, self.keys)
        d_keys.addcmul_(d_write_keys, self.write_decay).addcmul_(diagonal, self.rows[:, :chunk])
        return d_rows, d_keys, d_decay


class HalvedDecay:
    """Any decay, one a key channel: exact but slower; autograd differentiates the scores."""

    def __init__(self, rows: Tensor, k: Tensor, sums: Tensor) -> None:
        """Take rows [M, R * C, Dk], keys [M, C, Dk] and G [M, C, Dk], in fp64 if fp32 would not resolve it."""
        self.rows, self.keys, self.sums = rows, k, sums
        self.read_decay = sums.exp().to(k.dtype)
        self.write_decay = (sums[:, -1:] - sums).exp_().to(k.dtype)
        self.state_decay: Tensor | None = self.read_decay[:, -1:].mT
        self.read_rows = _by_kind(rows, k.shape[1]).mul(self.read_decay[:, None]).flatten(1, 2)
        self.write_keys = k * self.write_decay

    def scores(self, rows: slice) -> Tensor:
        """Return the squares of the triangle, each with its own reference."""
        parts = _by_kind(self.rows[:, rows], self.keys.shape[1]).unbind(1)
        return torch.cat([halved_scores(part, self.keys, self.sums) for part in parts], dim=1)

    def backward(
        self, d_scores: Tensor, d_read_rows: Tensor, d_write_keys: Tensor, d_state_decay: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Differentiate the scores by autograd, and the other factors explicitly."""
        assert d_state_decay is not None
        assert self.state_decay is not None
        chunk = self.keys.shape[1]
        inputs = [x.detach().requires_grad_() for x in (self.rows, self.keys, self.sums)]
        with torch.enable_grad():
            rows, keys, sums = inputs
            parts = _by_kind(rows, chunk).unbind(1)
            scores = torch.cat([halved_scores(part, keys, sums) for part in parts], dim=1)
        d_rows, d_keys, d_sums = torch.autograd.grad(scores, inputs, d_scores)
        d_sums = d_sums.to(self.keys.dtype) + _row_log_gradient(self.read_rows, d_read_rows, False, chunk)
        d_tails = _log_gradient(self.write_keys, d_write_keys, False)
        d_decay = _step_gradient(d_sums, d_tails, d_state_decay * self.state_decay)
        _by_kind(d_rows, chunk).addcmul_(_by_kind(d_read_rows, chunk), self.read_decay[:, None])
        return d_rows, d_keys.addcmul_(d_write_keys, self.write_decay), d_decay


def _by_kind(rows: Tensor, chunk: int) -> Tensor:
    """Separate queries from keys: [M, R * C, D] -> [M, R, C, D], a view."""
    return rows.unflatten(1, (-1, chunk))


def _take_diagonal(square: Tensor) -> Tensor:
    """Return the diagonal of [M, C, C] as [M, C, 1], and set it to zero in place."""
    diagonal = square.diagonal(dim1=1, dim2=2)
    copy = diagonal.clone()[..., None]
    diagonal.zero_()
    return copy


def _log_gradient(x: Tensor, d_x: Tensor, per_head: bool) -> Tensor:
    """Return the gradient of the logarithm of the factor on x, [M, ..., 1 | D]: x * d_x, one sum a head if per_head."""
    product = x * d_x
    return product.sum(-1, keepdim=True) if per_head else product


def _row_log_gradient(rows: Tensor, d_rows: Tensor, per_head: bool, chunk: int) -> Tensor:
    """Return `_log_gradient` of the rows of each step, queries and keys added up: [M, C, 1 | Dk]."""
    return _by_kind(_log_gradient(rows, d_rows, per_head), chunk).sum(1)


def _step_gradient(d_sums: Tensor, d_tails: Tensor, d_total: Tensor) -> Tensor:
    """Return the gradient of each step's log decay, [M, C, 1 | Dk].

    The gradients are of G_i (d_sums), of G_C - G_j (d_tails) and of G_C (d_total). Step t is part of the sums G_i from
    i = t on, of the tails of the writes before it, and of the total. Kept apart, no large terms cancel.
    """
    suffix = d_sums.flip(1).cumsum(1).flip(1)
    before = d_tails[:, :-1].cumsum(1)
    suffix[:, 1:].add_(before)
    return suffix.add_(d_total.mT)
