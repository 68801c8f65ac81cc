"""The Triton backend: whether it can run here, and the call."""

import os
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from kernels.recurrence.arguments import Problem

# Beyond this the state of one head does not fit in registers beside the tiles, and fp32 tiles not in shared memory.
WIDEST, WIDEST_SINGLE = 256, 128
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


@cache
def interpreted() -> bool:
    """Whether Triton was asked to interpret kernels on the CPU; it reads the variable when it is first imported."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def obstacle(problem: Problem) -> str | None:
    """Why the kernels cannot run this problem here, None where they can."""
    if find_spec("triton") is None:
        return "triton is not installed"
    if problem.q.device.type != "cuda" and not interpreted():
        return f"the tensors are on {problem.q.device} and the kernels need a GPU (or TRITON_INTERPRET=1)"
    if problem.q.dtype not in _DTYPES:
        return f"the kernels take fp32, fp16 and bf16, not {problem.q.dtype}"
    if interpreted() and problem.q.dtype == torch.bfloat16:
        return "Triton's interpreter is wrong for bf16"
    widest = max(problem.q.shape[-1], problem.v.shape[-1])
    most = WIDEST_SINGLE if problem.q.dtype == torch.float32 else WIDEST
    return (
        f"heads are {widest} wide and the kernels take at most {most} in {problem.q.dtype}" if widest > most else None
    )


def triton_recurrence(problem: Problem, chunk_size: int = 64) -> tuple[Tensor, Tensor]:
    """Run the kernels: (o [B, T, H, Dv], final state [B or N, H, Dk, Dv]). Raises ValueError where they cannot run."""
    reason = obstacle(problem)
    if reason is not None:
        raise ValueError(f"backend 'triton' cannot run: {reason}")
    from kernels.recurrence.gpu.operators import recurrence_forward

    batch, length, heads, key_width = problem.q.shape
    state = problem.state
    if state is None:
        sequences = batch if problem.cu_seqlens is None else len(problem.cu_seqlens) - 1
        shape = sequences, heads, key_width, problem.v.shape[-1]
        state = problem.q.new_zeros(shape, dtype=problem.accumulation)
    chunk = min(chunk_size, 64, max(16, 1 << (length - 1).bit_length()))
    o, final, *_ = recurrence_forward(
        problem.q,
        problem.k,
        problem.v,
        problem.log_decay,
        problem.beta,
        state,
        problem.cu_seqlens,
        problem.scale,
        chunk,
    )
    return o, final
