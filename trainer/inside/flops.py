"""Forward FLOPs per token, counted and never timed, so that a fitness made of them is the same on every machine.

Counted are the products that PyTorch dispatches, two FLOPs a multiply-add, those within custom autograd functions
included, and fused multiply-adds of whole tensors (the taps of a short convolution). Other element-wise work is not: a
mixer that does its sums element by element counts as cheaper than its clock says; the live monitor judges the clock.
(`torch.utils.flop_counter` agrees on the products, a test shows it, but entering it imports the whole of torch._dynamo:
seconds in every jailed run.)
"""

from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

_FUSED = ("addcmul", "addcmul_")
"""One multiply-add for each number of the result."""


def flops_per_token(model: nn.Module, length: int) -> float:
    """Return the forward FLOPs of one sequence of `length` tokens, per token."""
    device = next(model.parameters()).device
    with torch.no_grad(), _ProductCounter() as products:
        model(torch.zeros(1, length, dtype=torch.int64, device=device))
    return 2 * products.multiply_adds / length


class _ProductCounter(TorchDispatchMode):
    """Adds up multiply-adds of what passes through the dispatcher."""

    multiply_adds = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Leave the method below as it is: wrapping it for the compiler imports the compiler, seconds a run."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Do the operation and count it."""
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        self.multiply_adds += result.numel() if name in _FUSED else _multiply_adds(name, args, result)
        return result


def _multiply_adds(name: str, args: tuple[Any, ...], result: Any) -> int:
    """Return the multiply-adds of one operation; 0 for what is no product."""
    match name:
        case "mm" | "bmm" | "mv" | "dot":
            return args[0].shape[-1] * result.numel()
        case "addmm" | "baddbmm" | "addmv":
            return args[1].shape[-1] * result.numel()
        case "convolution" | "_convolution":
            return args[1][0].numel() * result.numel()
        case "linalg_solve_triangular":
            return result.numel() * args[0].shape[-1] // 2
        case attention if attention.startswith("_scaled_dot_product"):
            query, key, value = args[:3]
            return query.numel() * key.shape[-2] + query.numel() // query.shape[-1] * key.shape[-2] * value.shape[-1]
        case _:
            return 0
