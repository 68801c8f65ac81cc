"""The context of a call: function transforms, which hide values, observers of operations, and autocast."""

# torch has no public functions for these questions.
# pyright: reportAttributeAccessIssue=false
# ruff: noqa: SLF001
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def is_transformed(*tensors: Tensor | None) -> bool:
    """Return True inside torch.func transforms, in forward-mode AD, and while torch.compile or export traces.

    Values cannot be read there, and a custom backward is not differentiated.
    """
    if torch._C._functorch.peek_interpreter_stack() is not None or torch.compiler.is_compiling():
        return True
    wrapped = any(x is not None and torch._C._functorch.is_functorch_wrapped_tensor(x) for x in tensors)
    return wrapped or _in_forward_mode()


def is_observed() -> bool:
    """Return True if a dispatch mode intercepts every operation, such as a FLOP counter or a tracer."""
    return torch._C._len_torch_dispatch_stack() > 0


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the dtype in which autocast computes matrix products on a device, or None if autocast is off."""
    kind = device.type
    enabled = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if enabled else None


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which products keep the dtypes of their operands: a kernel has chosen them itself."""
    return nullcontext() if autocast_dtype(device) is None else torch.autocast(device.type, enabled=False)


def _in_forward_mode() -> bool:
    return torch.autograd.forward_ad._current_level >= 0
