"""Who else takes part in a call: function transforms, under which values cannot be read, and observers."""

# torch has no public way to ask.
# pyright: reportAttributeAccessIssue=false
# ruff: noqa: SLF001
import torch
from torch import Tensor


def is_transformed(*tensors: Tensor | None) -> bool:
    """Return True inside torch.func transforms, forward-mode AD, and while torch.compile or export traces."""
    if torch._C._functorch.peek_interpreter_stack() is not None or torch.compiler.is_compiling():
        return True
    return any(x is not None and torch._C._functorch.is_functorch_wrapped_tensor(x) for x in tensors) or _is_dual()


def is_observed() -> bool:
    """Return True where every operation passes through someone else's hands: a count of FLOPs, a trace."""
    return torch._C._len_torch_dispatch_stack() > 0


def _is_dual() -> bool:
    """Return True inside `torch.autograd.forward_ad.dual_level`."""
    return torch.autograd.forward_ad._current_level >= 0
