"""The native backend: whether it can run here, and the call."""

import torch
from torch import Tensor

from kernels.recurrence.arguments import RecurrenceInputs
from kernels.recurrence.native.library import LIBRARY
from kernels.recurrence.native.operators import recurrence_forward
from kernels.transforms import is_transformed

# With wider heads the tiles of one chunk do not fit in a core's cache.
_MAX_WIDTH = 256
# Measured: in a longer chunk, the added work inside it exceeds the work saved between chunks.
_MAX_CHUNK_STEPS = 32
# The library uses one thread and about half the CPU time of the chunked backend, which is faster on more threads.
_MAX_THREADS = 2


def is_built() -> bool:
    """Return True if the library was built for this machine."""
    return LIBRARY is not None


def has_many_threads() -> bool:
    """Return True if torch has enough threads for the chunked backend to be faster."""
    return torch.get_num_threads() > _MAX_THREADS


def obstacle(inputs: RecurrenceInputs) -> str | None:
    """Return why the library cannot run on these inputs here, or None if it can."""
    if LIBRARY is None:
        return "it was not built for this machine; hint: install a C++ compiler, then install move37 again"
    if inputs.q.device.type != "cpu":
        return f"the tensors are on {inputs.q.device} and it runs on the CPU"
    if inputs.q.dtype != torch.float32:
        return f"it takes fp32, not {inputs.q.dtype}"
    if is_transformed(inputs.q, inputs.k, inputs.v) and not torch.compiler.is_compiling():
        return "it has no rule for function transforms"
    width = max(inputs.q.shape[-1], inputs.v.shape[-1])
    return f"heads are {width} wide and it takes at most {_MAX_WIDTH}" if width > _MAX_WIDTH else None


def native_recurrence(inputs: RecurrenceInputs, chunk_size: int = 64) -> tuple[Tensor, Tensor]:
    """Run the library and return (o [B, T, H, Dv], final state [B, H, Dk, Dv]), both fp32.

    Raises ValueError if the library cannot run on these inputs here.
    """
    reason = obstacle(inputs)
    if reason is not None:
        raise ValueError(f"backend 'native' cannot run: {reason}")
    chunk = min(chunk_size, _MAX_CHUNK_STEPS, max(16, 1 << (inputs.q.shape[1] - 1).bit_length()))
    tensors = inputs.q, inputs.k, inputs.v, inputs.log_decay, inputs.beta, inputs.initial_state()
    o, final, _ = recurrence_forward(*tensors, inputs.scale, chunk)
    return o, final
