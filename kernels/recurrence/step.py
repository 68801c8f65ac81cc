"""Decoding: one token through the recurrence, for generation with a state of constant size."""

from torch import Tensor

from kernels.recurrence.arguments import canonical_inputs
from kernels.recurrence.reference import reference_recurrence


def recurrence_step(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: Tensor | None,
    *,
    log_decay: Tensor | None = None,
    beta: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Run one step of `linear_recurrence` and return (o [B, Hv, Dv], new state [B, Hv, Dk, Dv]).

    q, k [B, H, Dk]; v [B, Hv, Dv]; state [B, Hv, Dk, Dv] or None for zero; log_decay: None | [H] | [B, H] |
    [B, H, Dk], all <= 0; beta: None | [B, H]; scale: defaults to Dk ** -0.5. T steps equal one call of
    `linear_recurrence` over T steps. Raises ValueError as `linear_recurrence` does.
    """
    if log_decay is not None and log_decay.ndim > 1:
        log_decay = log_decay[:, None]
    strength = None if beta is None else beta[:, None]
    inputs = canonical_inputs(q[:, None], k[:, None], v[:, None], log_decay, strength, scale, state)
    o, final = reference_recurrence(inputs)
    return o[:, 0], final
