"""Output projection and cross-entropy as one function, block by block: the logits [T, V] never exist at once.

Source: the blockwise loss of Liger Kernel (Hsu et al. 2024, arXiv 2410.10989).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kernels.transforms import is_transformed

_MAX_LOGITS = 1 << 20
"""Logits of one block: 4 MiB in fp32 fit in a core's share of the cache."""
IGNORE_INDEX = -100
"""The target that does not count, as in `torch.nn.functional.cross_entropy`."""


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    ignore_index: int = IGNORE_INDEX,
    reduction: str = "mean",
) -> Tensor:
    """Compute the cross-entropy of softmax(hidden @ weight^T + bias) against targets, in nats.

    hidden [..., D]; weight [V, D]; targets [...]: integers below V, or `ignore_index`; bias [V]. reduction: "mean"
    over the targets that count, "sum", or "none". Returns a scalar, or [...] for "none", accumulated in fp32 (fp64 for
    fp64 inputs). Raises ValueError for another reduction or wrong shapes.
    """
    _check(hidden, weight, targets, reduction)
    rows, flat = hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1)
    transformed = is_transformed(hidden, weight, targets, bias)
    if reduction == "none" or transformed:
        losses = _row_losses(rows, weight, flat, bias, ignore_index, keep_logits=transformed)
        if reduction == "none":
            return losses.view(targets.shape)
        total = losses.sum()
    else:
        total = _SummedLoss.apply(rows, weight, bias, flat, ignore_index)
    return total if reduction == "sum" else total / (flat != ignore_index).sum()


def _check(hidden: Tensor, weight: Tensor, targets: Tensor, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"unknown reduction {reduction!r}, expected mean, sum or none")
    if hidden.shape[:-1] != targets.shape or weight.ndim != 2 or hidden.shape[-1] != weight.shape[1]:
        shapes = f"{list(hidden.shape)}, {list(weight.shape)}, {list(targets.shape)}"
        raise ValueError(f"expected hidden [..., D], weight [V, D], targets [...], got {shapes}")


def _row_losses(
    rows: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None, ignore_index: int, keep_logits: bool
) -> Tensor:
    """Return the loss of each row, [R]; backward recomputes the logits unless `keep_logits`."""

    def block_losses(h: Tensor, w: Tensor, b: Tensor | None, t: Tensor) -> Tensor:
        return F.cross_entropy(_logits(h, w, b), t, ignore_index=ignore_index, reduction="none")

    size = _block_rows(weight)
    blocks = zip(rows.split(size), targets.split(size), strict=True)
    if keep_logits:
        return torch.cat([block_losses(h, weight, bias, t) for h, t in blocks])
    return torch.cat([checkpoint(block_losses, h, weight, bias, t, use_reentrant=False) for h, t in blocks])


def _logits(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute rows @ weight^T + bias in fp32, or fp64 for fp64 inputs."""
    logits = F.linear(rows, weight, bias)
    return logits if logits.dtype == torch.float64 else logits.float()


def _block_rows(weight: Tensor) -> int:
    """Return how many rows of logits a block has."""
    return max(16, _MAX_LOGITS // weight.shape[0])


class _SummedLoss(torch.autograd.Function):
    """Sum of the row losses. Forward computes the gradients from each block's logits; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, ignore_index: int
    ) -> Tensor:
        """Return the loss, and save the gradients of rows, weight and bias if an input requires them."""
        differentiated = any(ctx.needs_input_grad[:3])
        total = rows.new_zeros((), dtype=torch.float64 if rows.dtype == torch.float64 else torch.float32)
        d_rows = torch.empty_like(rows) if differentiated else None
        d_weight = torch.zeros_like(weight, dtype=total.dtype) if differentiated else None
        d_bias = torch.zeros_like(bias, dtype=total.dtype) if differentiated and bias is not None else None
        size = _block_rows(weight)
        for start in range(0, rows.shape[0], size):
            h, t = rows[start : start + size], targets[start : start + size]
            logits = _logits(h, weight, bias)
            total += F.cross_entropy(logits, t, ignore_index=ignore_index, reduction="sum")
            if d_rows is not None and d_weight is not None:
                d_logits = _logit_gradient_(logits, t, ignore_index)
                torch.mm(d_logits.to(h.dtype), weight, out=d_rows[start : start + size])
                d_weight += d_logits.to(h.dtype).T @ h
                if d_bias is not None:
                    d_bias += d_logits.sum(0)
        ctx.save_for_backward(d_rows, d_weight, d_bias)
        ctx.dtypes = weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_total: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        d_rows, d_weight, d_bias = ctx.saved_tensors
        weight_dtype, bias_dtype = ctx.dtypes
        return (
            (d_rows * d_total).to(d_rows.dtype),
            (d_weight * d_total).to(weight_dtype),
            None if d_bias is None else (d_bias * d_total).to(bias_dtype),
            None,
            None,
        )


def _logit_gradient_(logits: Tensor, targets: Tensor, ignore_index: int) -> Tensor:
    """Overwrite the logits with d loss / d logits: softmax minus one-hot, zero in rows that do not count."""
    counts = targets != ignore_index
    gradient = torch.softmax(logits, dim=-1, out=logits)
    gradient.scatter_add_(1, targets.clamp_min(0)[:, None], -torch.ones_like(gradient[:, :1]))
    return gradient.mul_(counts[:, None])
