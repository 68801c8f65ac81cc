"""The specification: the recurrence as its definition, one step at a time.

    S <- diag(exp(g_t)) S
    S <- S + k_t v_t^T                       (additive)
    S <- S + beta_t k_t (v_t - S^T k_t)^T    (delta)
    o_t = scale * S^T q_t

Everything is computed in the accumulation dtype (fp32, or fp64 for fp64 inputs); nothing is in place, so autograd and
every function transform pass through. Memory grows with T * Dk * Dv under autograd.
"""

import torch
from torch import Tensor

from kernels.recurrence.arguments import Problem


def reference_recurrence(problem: Problem, chunk_size: int = 64) -> tuple[Tensor, Tensor]:  # noqa: ARG001 - one signature for all
    """Run the loop: (o [B, T, H, Dv] in the dtype of v, final state [B, H, Dk, Dv]); no chunks here."""
    wide = problem.accumulation
    # Unbinding time once keeps backward linear in T; indexing each step would make it quadratic.
    queries = (problem.q.to(wide) * problem.scale).unbind(1)  # T of [B, H, Dk]
    keys = problem.k.to(wide).unbind(1)
    values = problem.v.to(wide).unbind(1)  # T of [B, H, Dv]
    decays = None if problem.log_decay is None else problem.log_decay.exp().unbind(1)  # T of [B, H, 1 | Dk]
    strengths = None if problem.beta is None else problem.beta[..., None].unbind(1)  # T of [B, H, 1]
    state = _initial(problem)
    outputs = []
    for t, (q, k, v) in enumerate(zip(queries, keys, values, strict=True)):
        if decays is not None:
            state = decays[t][..., None] * state
        write = v if strengths is None else strengths[t] * (v - read(state, k))
        state = state + k[..., :, None] * write[..., None, :]
        outputs.append(read(state, q))
    return torch.stack(outputs, dim=1).to(problem.v.dtype), state


def read(state: Tensor, x: Tensor) -> Tensor:
    """S^T x for state [B, H, Dk, Dv] and x [B, H, Dk]: [B, H, Dv]."""
    return (x[..., None, :] @ state).squeeze(-2)


def _initial(problem: Problem) -> Tensor:
    """Return the state before the first step, [B, H, Dk, Dv]."""
    if problem.state is not None:
        return problem.state
    batch, _, heads, key_width = problem.q.shape
    return problem.q.new_zeros(batch, heads, key_width, problem.v.shape[-1], dtype=problem.accumulation)
