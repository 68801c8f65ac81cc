"""Delta rules whose step is an optimiser's: with momentum, along a preconditioned key, or by a Kalman gain.

All keep S [B, H, K, V], read o = Sᵀ q, and but for momentum write S <- D S + w (v - (D S)ᵀ k)ᵀ with a decay D; what
they differ in is the direction w that a key [B, T, H, K] is written along.
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

Kalman = tuple[Tensor, tuple[Tensor, Tensor] | None]
"""(o [B, T, H, V], (memory [B, H, K, V], precision))."""


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
    """M <- mu M - eta k (v - Sᵀ p)ᵀ, then S <- alpha S - beta M (arXiv 2605.05838); the state is [S, M].

    log_alpha, log_mu, beta, eta [B, T, H]; p is read in k's place, faded by alpha where `use_p_times_alpha`.
    """
    p = k if p is None else p
    if use_qk_l2norm_in_kernel:
        q, k, p = l2norm(q), l2norm(k), l2norm(p)
    p = p * log_alpha.exp()[..., None] if use_p_times_alpha else p
    beta, eta = (torch.ones_like(log_alpha) if x is None else x for x in (beta, eta))
    held = None if initial_state is None else tuple(initial_state.unbind(0))
    o, state = _momentum(q, k * eta[..., None], v, p, log_alpha, log_mu, beta, initial_state=held, **more)
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
    """Step through one sequence."""
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    empty = q.new_zeros(*q[:, 0].shape, v.shape[-1])
    state, speed = (empty, empty) if initial_state is None else initial_state
    rates = (x[..., None, None].unbind(1) for x in (log_alpha.exp(), log_mu.exp(), beta))
    outputs = []
    for ask, key, value, seen, alpha, mu, step in zip(*(x.unbind(1) for x in (q, k, v, p)), *rates, strict=True):
        error = value - (seen[..., None] * state).sum(-2)
        speed = mu * speed - key[..., None] * error[..., None, :]
        state = alpha * state - step * speed
        outputs.append((ask[..., None] * state).sum(-2))
    return torch.stack(outputs, 1), (state, speed)


def precond_gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, g_atk: Tensor, g: Tensor, beta_atk: Tensor, beta: Tensor, **more: Any
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Decay by g [B, T, HV], then correct along a preconditioned key; q, k, g_atk, beta_atk have H heads."""
    wide = g[..., None].expand(*g.shape, k.shape[-1])
    return precond_kda(q, k, v, wide, g_atk, beta_atk, beta, **more)


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
    """Decay by g [B, T, H, K], then write along k divided by a power of how much its channel has been written to.

    A <- exp(g_atk) A + beta_atk k² counts that, [B, H, K]; the power is softsign(log A - centre) of x, so that channels
    are scaled within 1/x and x. Returns (o, S, A).
    """
    if use_qk_l2norm_in_kernel:
        q, k = l2norm(q), l2norm(k)
    written, count = _fading_sum(beta_atk[..., None] * k.square(), g_atk, initial_state=initial_A_state, **more)
    centre = -0.2 if log_atk_scale is None else log_atk_scale
    centre = centre.reshape(-1, 1) if isinstance(centre, Tensor) else centre
    scaled = k * (-math.log(x) * F.softsign((written + eps).log() - centre)).exp()
    q, k, scaled = (each.repeat_interleave(v.shape[2] // k.shape[2], 2) for each in (q, k, scaled))
    o, state = _corrected(q, k, v, g, scaled * beta[..., None], initial_state=initial_state, **more)
    return o.to(v.dtype), state, count


@on_sequences
def _fading_sum(x: Tensor, g: Tensor, initial_state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the sum of x [B, T, H, K] that fades by log decay g [B, T, H], at all times and the last."""
    held = torch.zeros_like(x[:, 0]) if initial_state is None else initial_state
    sums = []
    for new, decay in zip(x.unbind(1), g.exp()[..., None].unbind(1), strict=True):
        held = decay * held + new
        sums.append(held)
    return torch.stack(sums, 1), held


def iso_kdn(q: Tensor, k: Tensor, v: Tensor, g: Tensor, omega: Tensor, r: Tensor, **more: Any) -> Kalman:
    """Write by a Kalman gain with one precision c a head, c and noises omega, r [B, T, HV]; g [B, T, HV, K].

    z = mean(exp(2 g)) / c + omega, the gain is z / (r + z |k|²), c <- 1 / z + s |k|² / (K r); s is K by default.
    """
    return _kalman(q, k, v, g, omega[..., None], r, isotropic=True, **more)


def diag_kdn(q: Tensor, k: Tensor, v: Tensor, g: Tensor, omega: Tensor, r: Tensor, **more: Any) -> Kalman:
    """Write by a Kalman gain with a precision c for every key channel, noises omega [B, T, H, K] and r [B, T, H].

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
) -> Kalman:
    """Find the gains, then write along them."""
    if use_qk_l2norm_in_kernel:
        q, k = l2norm(q), l2norm(k)
    if use_gate_in_kernel:
        g = kda_gate(g, more.get("A_log"), more.get("dt_bias"), more.get("lower_bound"))
    q, k = (x.repeat_interleave(v.shape[2] // k.shape[2], 2) for x in (q, k))
    held, precision = initial_state or (None, None)
    memory, power, energy = (2 * g).exp(), k.square(), k.square().sum(-1, keepdim=True)
    if isotropic:
        memory, power = memory.mean(-1, keepdim=True), energy / k.shape[-1]
        precision = None if precision is None else precision[..., None]
    told = (k.shape[-1] if info_scale is None else info_scale) * power / r[..., None]
    z, precision = _uncertainty(memory, omega, told, initial_state=precision, **more)
    seen = z * energy if isotropic else (z * k.square()).sum(-1, keepdim=True)
    o, state = _corrected(q, k, v, g, z * k / (r[..., None] + seen), initial_state=held, **more)
    if state is None:
        return o.to(v.dtype), None
    return o.to(v.dtype), (state, precision[..., 0] if isotropic else precision)


@on_sequences
def _uncertainty(
    memory: Tensor, noise: Tensor, told: Tensor, initial_state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return z = memory / c + noise at all times, and the last precision c <- 1 / z + told; all [B, T, H, K or 1]."""
    precision = torch.ones_like(told[:, 0]) if initial_state is None else initial_state.to(told.dtype)
    uncertainties = []
    for kept, added, learned in zip(memory.unbind(1), noise.unbind(1), told.unbind(1), strict=True):
        z = kept / precision + added
        precision = z.reciprocal() + learned
        uncertainties.append(z)
    return torch.stack(uncertainties, 1), precision


def _corrected(q: Tensor, k: Tensor, v: Tensor, g: Tensor, write: Tensor, **more: Any) -> tuple[Tensor, Any]:
    """Decay by g [B, T, H, K], then write along `write` what v differs by from what k reads."""
    return dplr(q, write, v, k * g.exp(), -write, gk=g, **more)
