"""Whether a call runs under a function transform, where values cannot be read and custom backwards do not apply."""

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


def _is_dual() -> bool:
    """Return True inside `torch.autograd.forward_ad.dual_level`."""
    return torch.autograd.forward_ad._current_level >= 0
