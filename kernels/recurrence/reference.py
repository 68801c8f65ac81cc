"""The specification: the recurrence as its definition, one step at a time.

    S <- diag(exp(g_t)) S
    S <- S + k_t v_t^T                       (additive)
    S <- S + beta_t k_t (v_t - S^T k_t)^T    (delta)
    o_t = scale * S^T q_t

It computes in the accumulation dtype: fp32, or fp64 for fp64 inputs. Nothing is in place, so autograd and every
function transform differentiate it. Under autograd, memory grows with T * Dk * Dv.
"""

import torch
from torch import Tensor

from kernels.recurrence.arguments import RecurrenceInputs


def reference_recurrence(inputs: RecurrenceInputs, chunk_size: int = 64) -> tuple[Tensor, Tensor]:  # noqa: ARG001 - one signature for all
    """Run the loop and return (o [B, T, H, Dv] in the dtype of v, final state [B, H, Dk, Dv]).

    `chunk_size` has no effect: there are no chunks. Additive rule: Katharopoulos et al. 2020 (arXiv 2006.16236); delta
    rule: Schlag et al. 2021 (arXiv 2102.11174).
    """
    dtype = inputs.accumulation_dtype
    # Unbinding time once keeps backward linear in T; indexing each step would make it quadratic.
    queries = (inputs.q.to(dtype) * inputs.scale).unbind(1)  # T of [B, H, Dk]
    keys = inputs.k.to(dtype).unbind(1)
    values = inputs.v.to(dtype).unbind(1)  # T of [B, H, Dv]
    decays = None if inputs.log_decay is None else inputs.log_decay.exp().unbind(1)  # T of [B, H, 1 | Dk]
    strengths = None if inputs.beta is None else inputs.beta[..., None].unbind(1)  # T of [B, H, 1]
    state = inputs.initial_state()
    outputs = []
    for t, (q, k, v) in enumerate(zip(queries, keys, values, strict=True)):
        if decays is not None:
            state = decays[t][..., None] * state
        write = v if strengths is None else strengths[t] * (v - _read(state, k))
        state = state + k[..., :, None] * write[..., None, :]
        outputs.append(_read(state, q))
    return torch.stack(outputs, dim=1).to(inputs.v.dtype), state


def _read(state: Tensor, x: Tensor) -> Tensor:
    """Return S^T x, [B, H, Dv], for state [B, H, Dk, Dv] and x [B, H, Dk]."""
    return (x[..., None, :] @ state).squeeze(-2)
