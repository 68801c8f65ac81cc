"""The arguments of the recurrence, checked once and brought to one canonical form.

Every backend receives `RecurrenceInputs`: equal head counts, and decay and write strength in full shape and in the
accumulation dtype. So no backend repeats a check. A wrong argument raises a ValueError of one line.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.transforms import is_transformed

# The exponential of anything below is zero in the dtype. Clamping to it keeps -inf ("forget everything") exact.
_MIN_LOG_DECAY = {torch.float32: -200.0, torch.float64: -1000.0}
# Backward divides by the write strength. This one is too small to change an output, and large enough to divide by.
_MIN_STRENGTH = 1e-20
_INPUT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class RecurrenceInputs:
    """The inputs of one recurrence, in canonical form."""

    q: Tensor
    """Queries, [B, T, H, Dk]."""
    k: Tensor
    """Keys, [B, T, H, Dk]."""
    v: Tensor
    """Values, [B, T, H, Dv]."""
    log_decay: Tensor | None
    """Logarithm of the decay before each step's write, [B, T, H, 1] or [B, T, H, Dk], accumulation dtype."""
    beta: Tensor | None
    """Write strength of the delta rule, [B, T, H], accumulation dtype; None selects the additive rule."""
    scale: float
    """Factor on the queries."""
    state: Tensor | None
    """State before the first step, [B, H, Dk, Dv], accumulation dtype; None means zero."""
    cu_seqlens: Tensor | None = None
    """Offsets [N + 1] of N sequences packed along time; B is then 1, and there are N states."""

    @property
    def accumulation_dtype(self) -> torch.dtype:
        """The dtype of states, decays and write strengths."""
        return accumulation_dtype(self.q.dtype)

    def initial_state(self) -> Tensor:
        """Return the state before the first step, [B or N, H, Dk, Dv]: zero if the caller passed none."""
        if self.state is not None:
            return self.state
        batch, _, heads, key_width = self.q.shape
        sequences = batch if self.cu_seqlens is None else len(self.cu_seqlens) - 1
        shape = sequences, heads, key_width, self.v.shape[-1]
        return self.q.new_zeros(shape, dtype=self.accumulation_dtype)


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return fp64 for fp64 inputs, else fp32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def lift_zero_strengths(beta: Tensor) -> Tensor:
    """Return write strengths, of any shape, with zeros replaced by 1e-20, so that dbeta = <dZ, U> / beta is right."""
    return beta.masked_fill(beta.abs() < _MIN_STRENGTH, _MIN_STRENGTH)


def canonical_inputs(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    scale: float | None,
    state: Tensor | None,
    cu_seqlens: Tensor | None = None,
) -> RecurrenceInputs:
    """Check the arguments of `linear_recurrence`, which documents their shapes, and bring them to canonical form.

    Raises ValueError for wrong shapes, dtypes or devices, and for positive decay.
    """
    _check_vectors(q, k, v)
    heads, key_width = q.shape[2:]
    value_heads = v.shape[2]
    dtype = accumulation_dtype(q.dtype)
    if log_decay is not None:
        log_decay = _canonical_decay(log_decay, q, value_heads).to(dtype)
    if beta is not None:
        beta = _canonical_beta(beta, q, value_heads).to(dtype)
    if state is not None:
        _check_state(state, q, v, cu_seqlens)
        state = state.to(dtype)
    if value_heads != heads:
        q, k = (x.repeat_interleave(value_heads // heads, dim=2) for x in (q, k))
    return RecurrenceInputs(
        q, k, v, log_decay, beta, key_width**-0.5 if scale is None else float(scale), state, cu_seqlens
    )


def _check_vectors(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Check shapes, dtypes and devices of q, k [B, T, H, Dk] and v [B, T, Hv, Dv]."""
    for name, x in (("q", q), ("k", k), ("v", v)):
        _check(x.ndim == 4, f"{name} must be [batch, time, heads, width], got shape {_shape(x)}")
        _check(x.dtype in _INPUT_DTYPES, f"{name} has dtype {x.dtype}, expected a floating point dtype")
        _check(x.dtype == q.dtype, f"{name} has dtype {x.dtype} but q has {q.dtype}")
        _check(x.device == q.device, f"{name} is on {x.device} but q is on {q.device}")
    _check(q.shape == k.shape, f"q and k must have one shape, got {_shape(q)} and {_shape(k)}")
    _check(q.shape[:2] == v.shape[:2], f"v has batch and time {_shape(v)[:2]} but q has {_shape(q)[:2]}")
    heads, value_heads = q.shape[2], v.shape[2]
    divides = heads > 0 and value_heads % heads == 0
    _check(divides, f"value heads must be a multiple of key heads, got {value_heads} and {heads}")
    _check(min(q.shape) > 0 and min(v.shape) > 0, f"empty dimension in q {_shape(q)} or v {_shape(v)}")


def _check_state(state: Tensor, q: Tensor, v: Tensor, cu_seqlens: Tensor | None) -> None:
    sequences = q.shape[0] if cu_seqlens is None else len(cu_seqlens) - 1
    expected = [sequences, v.shape[2], q.shape[3], v.shape[3]]
    _check(_shape(state) == expected, f"initial_state has shape {_shape(state)}, expected {expected}")
    _check_companion("initial_state", state, q)


def _canonical_decay(log_decay: Tensor, q: Tensor, value_heads: int) -> Tensor:
    """Bring [H], [B, T, H] or [B, T, H, Dk] to [B, T, Hv, 1 | Dk]."""
    _check_companion("log_decay", log_decay, q)
    batch, length, heads, key_width = q.shape
    if log_decay.ndim == 1:
        _check(len(log_decay) in (heads, value_heads), f"log_decay has {len(log_decay)} entries for {heads} heads")
        per_head = _repeat_heads(log_decay, 0, value_heads)
        return _clamp_decay(log_decay, per_head[None, None, :, None].expand(batch, length, -1, -1))
    leading = (batch, length, heads), (batch, length, value_heads)
    shaped = log_decay.ndim in (3, 4) and tuple(log_decay.shape[:3]) in leading
    expected = "[H], [B, T, H] or [B, T, H, Dk]"
    _check(shaped, f"log_decay has shape {_shape(log_decay)}, expected {expected} of q {_shape(q)}")
    fits = log_decay.ndim == 3 or log_decay.shape[3] in (1, key_width)
    _check(fits, f"log_decay has width {log_decay.shape[-1]}, expected the key width {key_width}")
    with_width = log_decay if log_decay.ndim == 4 else log_decay[..., None]
    return _clamp_decay(log_decay, _repeat_heads(with_width, 2, value_heads))


def _clamp_decay(argument: Tensor, log_decay: Tensor) -> Tensor:
    """Refuse positive decay in the caller's argument, and lift -inf to a finite value whose exponential is still zero.

    Reading values would stall a GPU's queue and is impossible inside a function transform. There the check is left out
    and the clamp is unconditional.
    """
    least = _MIN_LOG_DECAY[accumulation_dtype(argument.dtype)]
    if argument.device.type != "cpu" or is_transformed(argument):
        return log_decay.clamp_min(least)
    low, high = argument.detach().aminmax()
    _check(not high.item() > 0, f"log_decay must be <= 0, its largest value is {high.item():.3g}")
    return log_decay.clamp_min(least) if low.item() < least else log_decay


def _canonical_beta(beta: Tensor, q: Tensor, value_heads: int) -> Tensor:
    """Bring [B, T, H] to [B, T, Hv]."""
    _check_companion("beta", beta, q)
    leading = tuple(q.shape[:3]), (*q.shape[:2], value_heads)
    _check(tuple(beta.shape) in leading, f"beta has shape {_shape(beta)}, expected {_shape(q)[:3]}")
    return _repeat_heads(beta, 2, value_heads)


def _repeat_heads(x: Tensor, dim: int, heads: int) -> Tensor:
    """Repeat entries along the head dimension until it has `heads`."""
    return x if x.shape[dim] == heads else x.repeat_interleave(heads // x.shape[dim], dim=dim)


def _check_companion(name: str, x: Tensor, q: Tensor) -> None:
    """Check that an optional argument is floating point and on the device of q."""
    _check(x.dtype in _INPUT_DTYPES, f"{name} has dtype {x.dtype}, expected a floating point dtype")
    _check(x.device == q.device, f"{name} is on {x.device} but q is on {q.device}")


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _shape(x: Tensor) -> list[int]:
    """Return the shape as a list, which prints as [2, 3]."""
    return list(x.shape)
