"""fla's operators that are settings of one linear recurrence."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels import linear_recurrence
from stand_ins.fla.modules.feature_map import TaylorFeatureMap, upper_products
from stand_ins.fla.modules.l2norm import l2norm

Output = tuple[Tensor, Tensor | None]


def gla(q: Tensor, k: Tensor, v: Tensor, g: Tensor | None = None, gk: Tensor | None = None, **more: Any) -> Output:
    """Gated linear attention: log decay g (or gk) [B, T, H, K]."""
    return recur(q, k, v, log_decay=g if g is not None else gk, **more)


def simple_gla(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor | None = None, g_gamma: Tensor | None = None, **more: Any
) -> Output:
    """Linear attention with one log decay for each head, g [B, T, H] or g_gamma [H]."""
    return recur(q, k, v, log_decay=g if g is not None else g_gamma, **more)


def delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor | None = None, **more: Any) -> Output:
    """Apply the delta rule with step sizes beta [B, T, H]."""
    return recur(q, k, v, beta=_ones(k) if beta is None else beta, **more)


def gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor | None = None, beta: Tensor | None = None, **more: Any
) -> Output:
    """Decay by g [B, T, H], then apply the delta rule; g and beta may be logits (`use_gate_in_kernel`)."""
    if g is not None and more.get("use_gate_in_kernel"):
        bias = more.get("dt_bias")
        g = -more["A_log"].exp() * F.softplus(g if bias is None else g + bias)
    return recur(q, k, v, log_decay=g, beta=_step_size(_ones(k) if beta is None else beta, **more), **more)


def kda(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, **more: Any) -> Output:
    """Decay every key channel by g [B, T, H, K], then apply the delta rule; g and beta may be logits."""
    if more.get("use_gate_in_kernel"):
        g = kda_gate(g, more.get("A_log"), more.get("dt_bias"), more.get("lower_bound"))
    return recur(q, k, v, log_decay=g, beta=_step_size(beta, **more), **more)


def _step_size(
    beta: Tensor, use_beta_sigmoid_in_kernel: bool = False, allow_neg_eigval: bool = False, **_: Any
) -> Tensor:
    """Return the step sizes of fla's kernel: beta, or the sigmoid of its logits."""
    return (2 if allow_neg_eigval else 1) * beta.sigmoid() if use_beta_sigmoid_in_kernel else beta


def kda_gate(
    g: Tensor,
    A_log: Tensor | None = None,  # noqa: N803 (fla's own name)
    dt_bias: Tensor | int | None = None,
    lower_bound: float | None = None,
    g_bias: Tensor | None = None,
    **_: Any,
) -> Tensor:
    """Return the log decay -exp(A) softplus(g + bias), or bound * sigmoid(exp(A) (g + bias)); g [..., H, K].

    The first versions took (g [..., H K], A, K, g_bias).
    """
    if isinstance(dt_bias, int):
        g, dt_bias = g.unflatten(-1, (-1, dt_bias)), g_bias
    g = g if dt_bias is None else g + dt_bias.view(g.shape[-2:])
    rate = 1 if A_log is None else A_log.reshape(-1, 1).exp()
    return -rate * F.softplus(g) if lower_bound is None else lower_bound * (rate * g).sigmoid()


def linear_attn(q: Tensor, k: Tensor, v: Tensor, normalize: bool = True, **more: Any) -> Output:
    """Linear attention; `normalize` divides the output by the sum of its weights."""
    o, state = recur(q, k, v, **more)
    if normalize:
        time = 2 if more.get("head_first") else 1
        scale = more.get("scale") or q.shape[-1] ** -0.5
        o = o / ((q * scale * k.cumsum(time)).sum(-1, keepdim=True) + 1e-10)
    return o, state


def lightnet(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    initial_state: tuple[Tensor | None, Tensor | None] | None = None,
    **more: Any,
) -> tuple[Tensor, tuple[Tensor | None, Tensor]]:
    """Linear attention whose keys are a softmax over the past, channel by channel (arXiv 2405.21022)."""
    memory, log_sum = initial_state or (None, None)
    start = k.new_full(k[:, :1].shape, -1e30) if log_sum is None else log_sum.to(k.dtype)
    log_sums = torch.cat([start, k], 1).logcumsumexp(1)
    o, state = gla(q, (k - log_sums[:, 1:]).exp(), v, -log_sums.diff(dim=1), initial_state=memory, **more)
    return o, (state, log_sums[:, -1:])


def retention(q: Tensor, k: Tensor, v: Tensor, **more: Any) -> Output:
    """Retention: head h decays by 1 - 2^(-5 - h)."""
    heads = torch.arange(q.shape[1 if more.get("head_first") else 2], device=q.device, dtype=torch.float32)
    return recur(q, k, v, log_decay=torch.log1p(-torch.exp2(-5 - heads)), **more)


def lightning_attn(q: Tensor, k: Tensor, v: Tensor, layer_idx: int, num_layers: int, **more: Any) -> Output:
    """Lightning attention: head h of H decays by exp(-8 h / H (1 - layer / layers))."""
    heads = torch.arange(q.shape[2], device=q.device, dtype=torch.float32)
    return recur(q, k, v, log_decay=-8 * heads / len(heads) * (1 - layer_idx / num_layers), **more)


def gated_delta_product(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None,
    beta: Tensor,
    num_householder: int,
    cu_seqlens: Tensor | None = None,
    **more: Any,
) -> Output:
    """Several delta steps for each token, k, v, beta [B, T n, ...]: decay before the first, read after the last."""
    steps = num_householder
    queries = F.pad(q[:, :, None], (0, 0, 0, 0, steps - 1, 0)).flatten(1, 2)
    decays = None if g is None else F.pad(g[:, :, None], (0, 0, 0, steps - 1)).flatten(1, 2)
    offsets = None if cu_seqlens is None else cu_seqlens * steps
    o, state = recur(queries, k, v, log_decay=decays, beta=beta, cu_seqlens=offsets, **more)
    return o[:, steps - 1 :: steps], state


def based(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None, use_norm: bool = True, **more: Any) -> Tensor:
    """Linear attention with weights 1 + s + s² / 2, s = scale * q · k; [B, H, T, D] if `head_first`."""
    features = TaylorFeatureMap(q.shape[-1])
    q = q if scale is None else q * scale * q.shape[-1] ** 0.5
    return _weighted_values(features(q), features(k), v, 1e-6, use_norm, more.get("head_first", False))


def rebased(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    eps: float = 1e-5,
    use_scale: bool = True,
    use_normalize: bool = True,
    return_both: bool = False,
    head_first: bool = False,
) -> Tensor:
    """Linear attention with weights (q · k)², q scaled by D^-1/2; [B, H, T, D] if `head_first`."""
    if return_both:
        raise ValueError("the stand-in for fla's parallel_rebased returns the output alone")
    q = q * q.shape[-1] ** -0.5 if use_scale else q
    q, k = (torch.cat([x.square(), 2**0.5 * upper_products(x, x, 1)], -1) for x in (q, k))
    return _weighted_values(q, k, v, eps, use_normalize, head_first)


def _weighted_values(q: Tensor, k: Tensor, v: Tensor, eps: float, normalise: bool, head_first: bool) -> Tensor:
    """Return the sum of values weighted by products of features; with `normalise`, their weighted mean."""
    o, _ = recur(q, k, v, scale=1.0, head_first=head_first)
    return o / ((q * k.cumsum(2 if head_first else 1)).sum(-1, keepdim=True) + eps) if normalise else o


def recur(  # noqa: PLR0913 (fla's own arguments)
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    log_decay: Tensor | None = None,
    beta: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    head_first: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    **_: Any,
) -> Output:
    """Run the recurrence with fla's arguments; tensors are [B, H, T, ...] if `head_first`.

    A scale that is not positive means the default scale, as in early versions of fla.
    """
    if use_qk_l2norm_in_kernel:
        q, k = l2norm(q), l2norm(k)
    if head_first:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        log_decay, beta = (x.transpose(1, 2) if x is not None and x.ndim > 1 else x for x in (log_decay, beta))
    groups = q.shape[2] // k.shape[2]
    if groups > 1:  # here queries share keys and values; in the recurrence only values share keys
        k, v = (x.repeat_interleave(groups, 2) for x in (k, v))
        log_decay, beta = (
            x.repeat_interleave(groups, 2) if x is not None and x.ndim > 1 and x.shape[2] < q.shape[2] else x
            for x in (log_decay, beta)
        )
    o, state = linear_recurrence(
        q, k, v,
        log_decay=log_decay, beta=beta, initial_state=initial_state, output_final_state=output_final_state,
        cu_seqlens=cu_seqlens, scale=scale if scale is not None and scale > 0 else None,  # fla's default was -1
    )  # fmt: skip
    return (o.transpose(1, 2) if head_first else o), state


def _ones(k: Tensor) -> Tensor:
    """Return a step size of one for every key."""
    return torch.ones_like(k[..., 0])
