"""Forward FLOPs per token: counted, not timed, so that they are the same on every machine.

The count includes the products that PyTorch dispatches, also within custom autograd functions, and fused multiply-adds
of whole tensors, such as the taps of a short convolution. A multiply-add is two FLOPs. Other element-wise work is not
counted, so a mixer that sums element by element is slower than its count suggests; the live monitor judges time.
(`torch.utils.flop_counter` counts the same products, as a test shows. But it imports all of torch._dynamo, which takes
seconds in every jailed run.)
"""

from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

_FUSED = ("addcmul", "addcmul_")
"""Operations with one multiply-add for each number of the result."""


def flops_per_token(model: nn.Module, length: int) -> float:
    """Return the forward FLOPs per token of a model on one sequence of `length` tokens."""
    device = next(model.parameters()).device
    with torch.no_grad(), _ProductCounter() as products:
        model(torch.zeros(1, length, dtype=torch.int64, device=device))
    return 2 * products.multiply_adds / length


class _ProductCounter(TorchDispatchMode):
    """Adds up the multiply-adds of all dispatched operations."""

    multiply_adds = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep PyTorch from wrapping the method below for its compiler: importing the compiler takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Do the operation and count it."""
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        self.multiply_adds += result.numel() if name in _FUSED else _multiply_adds(name, args, result)
        return result


def _multiply_adds(name: str, args: tuple[Any, ...], result: Any) -> int:
    """Return the multiply-adds of one operation; 0 if it is no product."""
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
