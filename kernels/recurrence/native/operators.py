"""The compiled recurrence as registered operators, so that autograd, torch.compile and shape inference know it.

Arguments are canonical: [B, T, H, D] in fp32, one state a sequence. The gradient of an absent argument is an empty
tensor.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor

from kernels.recurrence.native.library import LIBRARY, NativeCall, NativeGradients, addresses, native_tensor

# Widths inside the library are multiples of this: PAD of source/tiles.h.
_PAD = 16

_INPUTS = "Tensor q, Tensor k, Tensor v, Tensor? log_decay, Tensor? beta"
# `torch.library.custom_op` would add checks that take longer than a small recurrence.
_REGISTRY = torch.library.Library("move37", "FRAGMENT")
_REGISTRY.define(
    f"native_recurrence({_INPUTS}, Tensor state, float scale, int chunk) -> (Tensor o, Tensor final, Tensor entries)"
)
_REGISTRY.define(
    f"native_recurrence_backward({_INPUTS}, Tensor entries, float scale, int chunk, Tensor d_o, Tensor d_final) -> "
    "(Tensor d_q, Tensor d_k, Tensor d_v, Tensor d_log_decay, Tensor d_beta, Tensor d_state)"
)


def _forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    state: Tensor,
    scale: float,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return o [B, T, H, Dv], final state [B, H, Dk, Dv], padded state at each chunk's start [B * H, N, Dk, Dv]."""
    assert LIBRARY is not None
    q, k, v = (_with_contiguous_rows(x) for x in (q, k, v))
    log_decay, beta = (None if x is None else x.contiguous() for x in (log_decay, beta))
    state = state.contiguous()
    o, final, entries = _empty_outputs(q, k, v, log_decay, beta, state, scale, chunk)
    call = _native_call(q, k, v, log_decay, beta, scale, chunk)
    LIBRARY.move37_forward(ctypes.byref(call), *addresses((state, o, final, entries)))
    return o, final, entries


def _empty_outputs(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    state: Tensor,
    scale: float,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return empty tensors of the outputs' shapes."""
    del k, log_decay, beta, scale
    batch, length, heads, key_width = q.shape
    key, value = (-(-width // _PAD) * _PAD for width in (key_width, v.shape[3]))
    entries = state.new_empty(batch * heads, -(-length // chunk), key, value)
    return v.new_empty(v.shape), state.new_empty(state.shape), entries


def _backward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    entries: Tensor,
    scale: float,
    chunk: int,
    d_o: Tensor,
    d_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of q, k, v, log decay, beta and state."""
    assert LIBRARY is not None
    q, k, v, d_o = (_with_contiguous_rows(x) for x in (q, k, v, d_o))
    log_decay, beta = (None if x is None else x.contiguous() for x in (log_decay, beta))
    d_final = d_final.contiguous()
    *gradients, d_state = _empty_gradients(q, k, v, log_decay, beta, entries, scale, chunk, d_o, d_final)
    call = _native_call(q, k, v, log_decay, beta, scale, chunk)
    d_outputs, results = native_tensor(d_o), NativeGradients(*addresses(gradients))
    entry_states, *d_states = addresses((entries, d_final, d_state))
    LIBRARY.move37_backward(ctypes.byref(call), entry_states, ctypes.byref(d_outputs), *d_states, ctypes.byref(results))
    d_q, d_k, d_v, d_g, d_beta = gradients
    return d_q, d_k, d_v, d_g, d_beta, d_state


def _empty_gradients(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    entries: Tensor,
    scale: float,
    chunk: int,
    d_o: Tensor,
    d_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return empty tensors of the gradients' shapes."""
    del entries, scale, chunk, d_o
    inputs = q, k, v, log_decay, beta
    d_q, d_k, d_v, d_g, d_beta = (q.new_empty(0) if x is None else x.new_empty(x.shape) for x in inputs)
    return d_q, d_k, d_v, d_g, d_beta, d_final.new_empty(d_final.shape)


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    """Save the inputs and the state at each chunk's start."""
    q, k, v, log_decay, beta, _, scale, chunk = inputs
    ctx.save_for_backward(q, k, v, log_decay, beta, output[2])
    ctx.scale, ctx.chunk = scale, chunk


def _differentiate(ctx: Any, d_o: Tensor, d_final: Tensor, d_entries: Tensor) -> tuple[Tensor | None, ...]:
    """Call the backward operator; no caller sees the entry states, so their gradient is zero."""
    del d_entries
    q, k, v, log_decay, beta, entries = ctx.saved_tensors
    d_q, d_k, d_v, d_g, d_beta, d_state = recurrence_backward(
        q, k, v, log_decay, beta, entries, ctx.scale, ctx.chunk, d_o, d_final
    )
    return d_q, d_k, d_v, None if log_decay is None else d_g, None if beta is None else d_beta, d_state, None, None


def _with_contiguous_rows(x: Tensor) -> Tensor:
    """Return x [B, T, H, D] with contiguous rows. Most views have them, even slices of a joint projection."""
    return x if 1 in {x.stride(3), x.shape[3]} else x.contiguous()


def _native_call(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, beta: Tensor | None, scale: float, chunk: int
) -> NativeCall:
    """Collect the sizes and addresses of a call; they are valid as long as the tensors live."""
    kind = 0 if log_decay is None else 1 if log_decay.shape[3] == 1 else 2
    vectors, factors = (native_tensor(x) for x in (q, k, v)), addresses((log_decay, beta))
    return NativeCall(*vectors, *factors, *q.shape, v.shape[3], kind, chunk, scale)


_REGISTRY.impl("native_recurrence", _forward, "CPU")
_REGISTRY.impl("native_recurrence_backward", _backward, "CPU")
torch.library.register_fake("move37::native_recurrence", _empty_outputs)
torch.library.register_fake("move37::native_recurrence_backward", _empty_gradients)
torch.library.register_autograd("move37::native_recurrence", _differentiate, setup_context=_save_for_backward)
recurrence_forward = torch.ops.move37.native_recurrence.default
recurrence_backward = torch.ops.move37.native_recurrence_backward.default
