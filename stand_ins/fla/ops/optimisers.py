"""Delta rules that step as an optimiser does: with momentum, along a preconditioned key, or by a Kalman gain.

All have a state S [B, H, K, V] and read o = Sᵀ q. Except for momentum, all write S <- D S + w (v - (D S)ᵀ k)ᵀ with a
decay D. They differ in the direction w [B, T, H, K] of the write.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stand_ins.fla.modules.l2norm import l2norm
from stand_ins.fla.ops.low_rank import dplr
from stand_ins.fla.ops.recurrences import kda_gate
from stand_ins.fla.ops.sequences import on_sequences

KalmanResult = tuple[Tensor, tuple[Tensor, Tensor] | None]
"""(o [B, T, H, V], final state or None); a state is (S [B, H, K, V], precision [B, H] or [B, H, K])."""


def momentum_delta_rule(  # noqa: PLR0913 (fla's own arguments)
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_alpha: Tensor,
    log_mu: Tensor,
    p: Tensor | None = None,
    beta: Tensor | None = None,
    eta: Tensor | None = None,
    *,
    initial_state: Tensor | None = None,
    use_qk_l2norm_in_kernel: bool = True,
    use_p_times_alpha: bool = True,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """M <- mu M - eta k (v - Sᵀ p)ᵀ, then S <- alpha S - beta M (arXiv 2605.05838).

    q, k, p [B, T, H, K]; v [B, T, H, V]; log_alpha, log_mu, beta, eta [B, T, H]. The error is read by p, by default k,
    times alpha if `use_p_times_alpha`. The state is S and M, stacked [2, B, H, K, V].
    """
    p = k if p is None else p
    if use_qk_l2norm_in_kernel:
        q, k, p = l2norm(q), l2norm(k), l2norm(p)
    p = p * log_alpha.exp()[..., None] if use_p_times_alpha else p
    beta, eta = (torch.ones_like(log_alpha) if x is None else x for x in (beta, eta))
    start = None if initial_state is None else tuple(initial_state.unbind(0))
    o, state = _momentum(q, k * eta[..., None], v, p, log_alpha, log_mu, beta, initial_state=start, **more)
    return o.to(v.dtype), None if state is None else torch.stack(state)


@on_sequences
def _momentum(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    p: Tensor,
    log_alpha: Tensor,
    log_mu: Tensor,
    beta: Tensor,
    scale: float | None = None,
    initial_state: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Apply the rule step by step, with eta in k and alpha in p; the state is (S, M)."""
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    empty = q.new_zeros(*q[:, 0].shape, v.shape[-1])
    state, momentum = (empty, empty) if initial_state is None else initial_state
    rates = (x[..., None, None].unbind(1) for x in (log_alpha.exp(), log_mu.exp(), beta))
    outputs = []
    for query, key, value, reader, alpha, mu, step in zip(*(x.unbind(1) for x in (q, k, v, p)), *rates, strict=True):
        error = value - (reader[..., None] * state).sum(-2)
        momentum = mu * momentum - key[..., None] * error[..., None, :]
        state = alpha * state - step * momentum
        outputs.append((query[..., None] * state).sum(-2))
    return torch.stack(outputs, 1), (state, momentum)


def precond_gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, g_atk: Tensor, g: Tensor, beta_atk: Tensor, beta: Tensor, **more: Any
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Decay by g [B, T, HV], then write along a preconditioned key; q, k, g_atk, beta_atk have H heads."""
    decay = g[..., None].expand(*g.shape, k.shape[-1])
    return precond_kda(q, k, v, decay, g_atk, beta_atk, beta, **more)


def precond_kda(  # noqa: PLR0913 (fla's own arguments)
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    g_atk: Tensor,
    beta_atk: Tensor,
    beta: Tensor,
    *,
    initial_state: Tensor | None = None,
    initial_A_state: Tensor | None = None,  # noqa: N803 (fla's own name)
    use_qk_l2norm_in_kernel: bool = True,
    x: float = 1.5,
    eps: float = 1e-6,
    log_atk_scale: Tensor | float | None = None,
    **more: Any,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Decay by g [B, T, H, K], then write along a key whose channels are scaled down the more they were written.

    A <- exp(g_atk) A + beta_atk k² [B, H, K] accumulates the writes. The key is divided by x to the power of
    softsign(log A - centre), so channels are scaled by between 1/x and x. Returns (o, S, A).
    """
    if use_qk_l2norm_in_kernel:
        q, k = l2norm(q), l2norm(k)
    writes, final_writes = _decayed_sum(beta_atk[..., None] * k.square(), g_atk, initial_state=initial_A_state, **more)
    centre = -0.2 if log_atk_scale is None else log_atk_scale
    centre = centre.reshape(-1, 1) if isinstance(centre, Tensor) else centre
    scaled_k = k * (-math.log(x) * F.softsign((writes + eps).log() - centre)).exp()
    q, k, scaled_k = (each.repeat_interleave(v.shape[2] // k.shape[2], 2) for each in (q, k, scaled_k))
    o, state = _delta_rule(q, k, v, g, scaled_k * beta[..., None], initial_state=initial_state, **more)
    return o.to(v.dtype), state, final_writes


@on_sequences
def _decayed_sum(x: Tensor, g: Tensor, initial_state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the sum of x [B, T, H, K] with log decay g [B, T, H], at every position and at the last."""
    total = torch.zeros_like(x[:, 0]) if initial_state is None else initial_state
    sums = []
    for new, decay in zip(x.unbind(1), g.exp()[..., None].unbind(1), strict=True):
        total = decay * total + new
        sums.append(total)
    return torch.stack(sums, 1), total


def iso_kdn(q: Tensor, k: Tensor, v: Tensor, g: Tensor, omega: Tensor, r: Tensor, **more: Any) -> KalmanResult:
    """Write by a Kalman gain with one precision c for each head; noises omega, r [B, T, HV]; g [B, T, HV, K].

    z = mean(exp(2 g)) / c + omega, the gain is z k / (r + z |k|²), c <- 1 / z + s |k|² / (K r); s is K by default.
    """
    return _kalman(q, k, v, g, omega[..., None], r, isotropic=True, **more)


def diag_kdn(q: Tensor, k: Tensor, v: Tensor, g: Tensor, omega: Tensor, r: Tensor, **more: Any) -> KalmanResult:
    """Write by a Kalman gain with one precision c for each key channel; noises omega [B, T, H, K] and r [B, T, H].

    z = exp(2 g) / c + omega, the gain is z k / (r + z · k²), c <- 1 / z + s k² / r; s is K by default.
    """
    return _kalman(q, k, v, g, omega, r, isotropic=False, **more)


def _kalman(  # noqa: PLR0913 (fla's own arguments)
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    omega: Tensor,
    r: Tensor,
    *,
    isotropic: bool,
    initial_state: tuple[Tensor | None, Tensor | None] | None = None,
    info_scale: float | None = None,
    use_qk_l2norm_in_kernel: bool = False,
    use_gate_in_kernel: bool = False,
    **more: Any,
) -> KalmanResult:
    """Compute the gains, then write along them; `info_scale` is s."""
    if use_qk_l2norm_in_kernel:
        q, k = l2norm(q), l2norm(k)
    if use_gate_in_kernel:
        g = kda_gate(g, more.get("A_log"), more.get("dt_bias"), more.get("lower_bound"))
    q, k = (x.repeat_interleave(v.shape[2] // k.shape[2], 2) for x in (q, k))
    memory, precision = initial_state or (None, None)
    width, noise = k.shape[-1], r[..., None]  # [B, T, H, 1]
    decay, power = (2 * g).exp(), k.square()  # [B, T, H, K]; if isotropic their means [B, T, H, 1]
    if isotropic:
        decay, power = decay.mean(-1, keepdim=True), power.sum(-1, keepdim=True) / width
        precision = None if precision is None else precision[..., None]
    information = (width if info_scale is None else info_scale) * power / noise
    z, precision = _uncertainty(decay, omega, information, initial_state=precision, **more)
    predicted = (z * k.square()).sum(-1, keepdim=True)
    o, state = _delta_rule(q, k, v, g, z * k / (noise + predicted), initial_state=memory, **more)
    if state is None:
        return o.to(v.dtype), None
    return o.to(v.dtype), (state, precision[..., 0] if isotropic else precision)


@on_sequences
def _uncertainty(
    decay: Tensor, noise: Tensor, information: Tensor, initial_state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return z = decay / c + noise at every position, and the last precision c <- 1 / z + information.

    All are [B, T, H, K], or [B, T, H, 1] with one precision for each head.
    """
    precision = torch.ones_like(information[:, 0]) if initial_state is None else initial_state.to(information.dtype)
    uncertainties = []
    steps = zip(decay.unbind(1), noise.unbind(1), information.unbind(1), strict=True)
    for decay_t, noise_t, information_t in steps:
        z = decay_t / precision + noise_t
        precision = z.reciprocal() + information_t
        uncertainties.append(z)
    return torch.stack(uncertainties, 1), precision


def _delta_rule(q: Tensor, k: Tensor, v: Tensor, g: Tensor, write: Tensor, **more: Any) -> tuple[Tensor, Any]:
    """Decay by g [B, T, H, K], then write the error, v minus the read of k, along `write`."""
    return dplr(q, write, v, k * g.exp(), -write, gk=g, **more)
