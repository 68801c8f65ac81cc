"""Who else takes part in a call: function transforms, under which values cannot be read, observers, and autocast."""

# torch has no public way to ask.
# pyright: reportAttributeAccessIssue=false
# ruff: noqa: SLF001
from contextlib import AbstractContextManager, nullcontext

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


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the dtype that autocast has products computed in on a device now, None where it is off."""
    kind = device.type
    on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if on else None


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which products keep the dtypes of what they are given: a kernel has chosen them itself."""
    return nullcontext() if autocast_dtype(device) is None else torch.autocast(device.type, enabled=False)


def _is_dual() -> bool:
    """Return True inside `torch.autograd.forward_ad.dual_level`."""
    return torch.autograd.forward_ad._current_level >= 0
