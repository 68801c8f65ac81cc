"""The native backend: whether it can run here, and the call."""

import torch
from torch import Tensor

from kernels.recurrence.arguments import Problem
from kernels.recurrence.native.library import LIBRARY
from kernels.recurrence.native.operators import recurrence_forward
from kernels.transforms import is_transformed

# Beyond this the tiles of one chunk leave a core's cache.
WIDEST = 256
# Measured: the work inside a longer chunk outgrows what it saves between chunks.
_LONGEST_CHUNK = 32
# The library computes on one thread, in about half the CPU time of the portable form, which can use more than these.
_THREADS = 2


def built() -> bool:
    """Whether an install made the library for this machine."""
    return LIBRARY is not None


def outnumbered() -> bool:
    """Whether torch has enough threads for the portable form to be faster."""
    return torch.get_num_threads() > _THREADS


def obstacle(problem: Problem) -> str | None:
    """Why the library cannot run this problem here, None where it can."""
    if LIBRARY is None:
        return "it was not built for this machine, which an install does where it finds a C++ compiler"
    if problem.q.device.type != "cpu":
        return f"the tensors are on {problem.q.device} and it runs on the CPU"
    if problem.q.dtype != torch.float32:
        return f"it takes fp32, not {problem.q.dtype}"
    if is_transformed(problem.q, problem.k, problem.v) and not torch.compiler.is_compiling():
        return "it has no rule for function transforms"
    widest = max(problem.q.shape[-1], problem.v.shape[-1])
    return f"heads are {widest} wide and it takes at most {WIDEST}" if widest > WIDEST else None


def native_recurrence(problem: Problem, chunk_size: int = 64) -> tuple[Tensor, Tensor]:
    """Run the library: (o [B, T, H, Dv], final state [B, H, Dk, Dv]). Raises ValueError where it cannot run."""
    reason = obstacle(problem)
    if reason is not None:
        raise ValueError(f"backend 'native' cannot run: {reason}")
    batch, length, heads, key_width = problem.q.shape
    state = problem.state
    if state is None:
        state = problem.q.new_zeros(batch, heads, key_width, problem.v.shape[-1])
    chunk = min(chunk_size, _LONGEST_CHUNK, max(16, 1 << (length - 1).bit_length()))
    inputs = problem.q, problem.k, problem.v, problem.log_decay, problem.beta
    o, final, _ = recurrence_forward(*inputs, state, problem.scale, chunk)
    return o, final
