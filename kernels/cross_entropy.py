"""Output projection and cross-entropy in one, a block of rows at a time: the [T, V] logits never exist at once."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kernels.transforms import is_transformed

# Logits held at once, in elements: 4 MiB of fp32 stays inside a core's share of the cache.
_LOGITS = 1 << 20
IGNORED = -100


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    ignore_index: int = IGNORED,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of softmax(hidden @ weight^T + bias) against targets, in nats.

    hidden [..., D]; weight [V, D]; targets [...] of integers below V or `ignore_index`; bias [V]. reduction "mean"
    (over the targets that count), "sum" or "none" ([...]). Accumulates in fp32 (fp64 for fp64). Raises ValueError.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"unknown reduction {reduction!r}, expected mean, sum or none")
    if hidden.shape[:-1] != targets.shape or weight.ndim != 2 or hidden.shape[-1] != weight.shape[1]:
        shapes = f"{list(hidden.shape)}, {list(weight.shape)}, {list(targets.shape)}"
        raise ValueError(f"expected hidden [..., D], weight [V, D], targets [...], got {shapes}")
    rows, flat = hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1)
    transformed = is_transformed(hidden, weight, targets, bias)
    if reduction == "none" or transformed:
        losses = _row_losses(rows, weight, flat, bias, ignore_index, remember=transformed)
        if reduction == "none":
            return losses.view(targets.shape)
        total = losses.sum()
    else:
        total = _SummedLoss.apply(rows, weight, bias, flat, ignore_index)
    return total if reduction == "sum" else total / (flat != ignore_index).sum()


def _row_losses(
    rows: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None, ignored: int, remember: bool
) -> Tensor:
    """Return the loss of each row, [R]; the logits are recomputed in backward unless `remember`."""

    def block(h: Tensor, w: Tensor, b: Tensor | None, t: Tensor) -> Tensor:
        return F.cross_entropy(_logits(h, w, b), t, ignore_index=ignored, reduction="none")

    step = _rows_at_once(weight)
    pieces = zip(rows.split(step), targets.split(step), strict=True)
    if remember:
        return torch.cat([block(h, weight, bias, t) for h, t in pieces])
    return torch.cat([checkpoint(block, h, weight, bias, t, use_reentrant=False) for h, t in pieces])


def _logits(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Rows @ weight^T + bias in fp32, or fp64 for fp64 inputs."""
    logits = F.linear(rows, weight, bias)
    return logits if logits.dtype == torch.float64 else logits.float()


def _rows_at_once(weight: Tensor) -> int:
    """How many rows of logits to hold."""
    return max(16, _LOGITS // weight.shape[0])


class _SummedLoss(torch.autograd.Function):
    """Sum of the row losses; gradients are made while a block's logits are at hand, so backward only scales them."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, ignored: int) -> Tensor:
        """Loss, and where any input needs it, the gradients of rows, weight and bias."""
        needed = any(ctx.needs_input_grad[:3])
        total = rows.new_zeros((), dtype=torch.float64 if rows.dtype == torch.float64 else torch.float32)
        d_rows = torch.empty_like(rows) if needed else None
        d_weight = torch.zeros_like(weight, dtype=total.dtype) if needed else None
        d_bias = torch.zeros_like(bias, dtype=total.dtype) if needed and bias is not None else None
        step = _rows_at_once(weight)
        for start in range(0, rows.shape[0], step):
            h, t = rows[start : start + step], targets[start : start + step]
            logits = _logits(h, weight, bias)
            total += F.cross_entropy(logits, t, ignore_index=ignored, reduction="sum")
            if d_rows is not None and d_weight is not None:
                slope = _slope(logits, t, ignored)
                torch.mm(slope.to(h.dtype), weight, out=d_rows[start : start + step])
                d_weight += slope.to(h.dtype).T @ h
                if d_bias is not None:
                    d_bias += slope.sum(0)
        ctx.save_for_backward(d_rows, d_weight, d_bias)
        ctx.dtypes = weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Scale the gradients made in forward."""
        d_rows, d_weight, d_bias = ctx.saved_tensors
        weight_dtype, bias_dtype = ctx.dtypes
        d_rows = (d_rows * slope).to(d_rows.dtype)
        return (
            d_rows,
            (d_weight * slope).to(weight_dtype),
            None if d_bias is None else (d_bias * slope).to(bias_dtype),
            None,
            None,
        )


def _slope(logits: Tensor, targets: Tensor, ignored: int) -> Tensor:
    """D loss / d logits: softmax minus one-hot, zero in ignored rows. Overwrites the logits."""
    counts = targets != ignored
    slope = torch.softmax(logits, dim=-1, out=logits)
    slope.scatter_add_(1, targets.clamp_min(0)[:, None], -torch.ones_like(slope[:, :1]))
    return slope.mul_(counts[:, None])
