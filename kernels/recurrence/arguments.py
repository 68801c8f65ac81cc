"""What a caller may pass to the recurrence, checked once and brought to one canonical form.

Every backend receives a `Problem`: equal head counts, decay and write strength in the accumulation dtype and full
shape, so that no backend repeats a check. Whatever is wrong is said in one line of a ValueError.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.transforms import is_transformed

# exp of anything below these is zero in the accumulation dtype; clamping there keeps -inf ("forget everything") exact.
_FLOOR = {torch.float32: -200.0, torch.float64: -1000.0}
_INPUT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Problem:
    """One recurrence to run, in canonical form."""

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
    """State before the first step, [B, H, Dk, Dv], accumulation dtype; None stands for zero."""
    cu_seqlens: Tensor | None = None
    """Offsets [N + 1] of N sequences packed along time (B = 1), whose states then count N."""

    @property
    def accumulation(self) -> torch.dtype:
        """The dtype of states, decays and strengths."""
        return accumulation_dtype(self.q.dtype)


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """fp64 for fp64 inputs, else fp32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def canonical(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    scale: float | None,
    state: Tensor | None,
    cu_seqlens: Tensor | None = None,
) -> Problem:
    """Check the arguments of `linear_recurrence` and bring them to canonical form.

    Raises ValueError, in one line, for wrong shapes, dtypes, devices and positive decay.
    """
    _check_inputs(q, k, v)
    batch, _, heads, key_width = q.shape
    value_heads, value_width = v.shape[2:]
    wide = accumulation_dtype(q.dtype)
    if log_decay is not None:
        log_decay = _canonical_decay(log_decay, q, value_heads).to(wide)
    if beta is not None:
        beta = _canonical_beta(beta, q, value_heads).to(wide)
    if state is not None:
        sequences = batch if cu_seqlens is None else len(cu_seqlens) - 1
        expected = (sequences, value_heads, key_width, value_width)
        _check(tuple(state.shape) == expected, f"initial_state has shape {_of(state)}, expected {list(expected)}")
        _check_companion("initial_state", state, q)
        state = state.to(wide)
    if value_heads != heads:
        q, k = (x.repeat_interleave(value_heads // heads, dim=2) for x in (q, k))
    return Problem(q, k, v, log_decay, beta, key_width**-0.5 if scale is None else float(scale), state, cu_seqlens)


def _check_inputs(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Shapes, dtypes and devices of q [B, T, H, Dk], k like q, v [B, T, Hv, Dv]."""
    for name, x in (("q", q), ("k", k), ("v", v)):
        _check(x.ndim == 4, f"{name} must be [batch, time, heads, width], got shape {_of(x)}")
        _check(x.dtype in _INPUT_DTYPES, f"{name} has dtype {x.dtype}, expected a floating point dtype")
        _check(x.dtype == q.dtype, f"{name} has dtype {x.dtype} but q has {q.dtype}")
        _check(x.device == q.device, f"{name} is on {x.device} but q is on {q.device}")
    _check(q.shape == k.shape, f"q and k must have one shape, got {_of(q)} and {_of(k)}")
    _check(q.shape[:2] == v.shape[:2], f"v has batch and time {_of(v)[:2]} but q has {_of(q)[:2]}")
    _check(q.shape[2] > 0 and v.shape[2] % q.shape[2] == 0, f"{v.shape[2]} value heads do not divide by {q.shape[2]}")
    _check(min(q.shape) > 0 and min(v.shape) > 0, f"empty dimension in q {_of(q)} or v {_of(v)}")


def _canonical_decay(log_decay: Tensor, q: Tensor, value_heads: int) -> Tensor:
    """Bring [H], [B, T, H] or [B, T, H, Dk] to [B, T, Hv, 1 | Dk]."""
    _check_companion("log_decay", log_decay, q)
    batch, length, heads, key_width = q.shape
    if log_decay.ndim == 1:
        _check(len(log_decay) in (heads, value_heads), f"log_decay has {len(log_decay)} entries for {heads} heads")
        wide = _spread(log_decay, 0, value_heads)[None, None, :, None].expand(batch, length, -1, -1)
    else:
        leading = (batch, length, heads), (batch, length, value_heads)
        shaped = log_decay.ndim in (3, 4) and tuple(log_decay.shape[:3]) in leading
        _check(shaped, f"log_decay has shape {_of(log_decay)}, expected [H], [B, T, H] or [B, T, H, Dk] of q {_of(q)}")
        fits = log_decay.ndim == 3 or log_decay.shape[3] in (1, key_width)
        _check(fits, f"log_decay has width {log_decay.shape[-1]}, expected the key width {key_width}")
        wide = _spread(log_decay if log_decay.ndim == 4 else log_decay[..., None], 2, value_heads)
    return _bounded(log_decay, wide)


def _bounded(given: Tensor, wide: Tensor) -> Tensor:
    """Refuse positive decay and lift -inf to a finite value whose exponential is still zero.

    Reading the values would stall a GPU's queue and is impossible inside a function transform, so there the check is
    left out and the clamp is unconditional.
    """
    floor = _FLOOR[accumulation_dtype(given.dtype)]
    if given.device.type != "cpu" or is_transformed(given):
        return wide.clamp_min(floor)
    low, high = given.detach().aminmax()
    _check(not high.item() > 0, f"log_decay must be <= 0, its largest value is {high.item():.3g}")
    return wide.clamp_min(floor) if low.item() < floor else wide


def _canonical_beta(beta: Tensor, q: Tensor, value_heads: int) -> Tensor:
    """Bring [B, T, H] to [B, T, Hv]."""
    _check_companion("beta", beta, q)
    leading = tuple(q.shape[:3]), (*q.shape[:2], value_heads)
    _check(tuple(beta.shape) in leading, f"beta has shape {_of(beta)}, expected {_of(q)[:3]}")
    return _spread(beta, 2, value_heads)


def _spread(x: Tensor, dim: int, heads: int) -> Tensor:
    """Repeat along the head dimension so that it counts `heads`."""
    return x if x.shape[dim] == heads else x.repeat_interleave(heads // x.shape[dim], dim=dim)


def _check_companion(name: str, x: Tensor, q: Tensor) -> None:
    """Check that a further argument is floating point and lives where q lives."""
    _check(x.dtype in _INPUT_DTYPES, f"{name} has dtype {x.dtype}, expected a floating point dtype")
    _check(x.device == q.device, f"{name} is on {x.device} but q is on {q.device}")


def _check(holds: bool, message: str) -> None:
    """Raise ValueError(message) unless it holds."""
    if not holds:
        raise ValueError(message)


def _of(x: Tensor) -> list[int]:
    """Return the shape as a list, for messages."""
    return list(x.shape)
