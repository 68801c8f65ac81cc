"""The Triton backend: whether it can run here, and the call."""

from importlib.util import find_spec

import torch
from torch import Tensor

from kernels.recurrence.arguments import RecurrenceInputs
from kernels.recurrence.gpu.interpreter import is_interpreted

# A wider state of one head does not fit in registers with the tiles, and wider fp32 tiles not in shared memory.
_MAX_WIDTH, _MAX_WIDTH_FP32 = 256, 128
_MAX_CHUNK_STEPS = 64
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def obstacle(inputs: RecurrenceInputs) -> str | None:
    """Return why the kernels cannot run on these inputs here, or None if they can."""
    if find_spec("triton") is None:
        return "triton is not installed"
    if inputs.q.device.type != "cuda" and not is_interpreted():
        return f"the tensors are on {inputs.q.device} and the kernels need a GPU (or TRITON_INTERPRET=1)"
    if inputs.q.dtype not in _DTYPES:
        return f"the kernels take fp32, fp16 and bf16, not {inputs.q.dtype}"
    if is_interpreted() and inputs.q.dtype == torch.bfloat16:
        return "Triton's interpreter is wrong for bf16"
    width = max(inputs.q.shape[-1], inputs.v.shape[-1])
    limit = _MAX_WIDTH_FP32 if inputs.q.dtype == torch.float32 else _MAX_WIDTH
    if width > limit:
        return f"heads are {width} wide and the kernels take at most {limit} in {inputs.q.dtype}"
    return None


def triton_recurrence(inputs: RecurrenceInputs, chunk_size: int = 64) -> tuple[Tensor, Tensor]:
    """Run the kernels and return (o [B, T, H, Dv], final state [B or N, H, Dk, Dv] in fp32).

    Raises ValueError if the kernels cannot run on these inputs here.
    """
    reason = obstacle(inputs)
    if reason is not None:
        raise ValueError(f"backend 'triton' cannot run: {reason}")
    from kernels.recurrence.gpu.operators import recurrence_forward

    chunk = min(chunk_size, _MAX_CHUNK_STEPS, max(16, 1 << (inputs.q.shape[1] - 1).bit_length()))
    tensors = inputs.q, inputs.k, inputs.v, inputs.log_decay, inputs.beta, inputs.initial_state(), inputs.cu_seqlens
    o, final, *_ = recurrence_forward(*tensors, inputs.scale, chunk)
    return o, final
