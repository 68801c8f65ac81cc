"""The layers of papers that the grammar has no units for, each against its paper's formula, one step at a time."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
import torch
from torch.nn import functional

from agents.design import HUMAN_DESIGNS
from agents.search.breeding import select_donors
from bus.vocabulary.events import CampaignFinished, PromotionDecided, ProposalCreated, ProposalRequested
from tests.support.archive import Archive
from tests.support.factories import campaign_started, verification_plan
from tests.support.simulated_campaigns import NO_FAULTS
from tests.support.simulation import Laboratory
from tests.support.step_by_step import assert_computes, convolved_heads, mixer_of, normed


def comba_step_by_step(m: Any, x: torch.Tensor, heads: int) -> torch.Tensor:
    """Return Comba of x [B, T, D] as its paper writes it (2506.02475), with a state S [V, K] per head.

    S_t = S_(t-1) (a_t - b B_t k_t k_t^T) + B_t v_t k_t^T, o_t = S_t (q_t - d k_t). Decay a_t and rate B_t are scalars
    of the token, b and d of the head.
    """
    q, k, v = convolved_heads(m, x, heads)
    decay = torch.exp(-m.rate.exp() * functional.softplus(m.step_proj(x)))
    beta, feedback = torch.sigmoid(m.beta_proj(x)), torch.sigmoid(m.feedback)
    width, outputs = k.shape[-1], []
    state = torch.zeros(x.shape[0], heads, v.shape[-1], width, dtype=x.dtype)
    for t in range(x.shape[1]):
        outer = torch.einsum("bhi,bhj->bhij", k[:, t], k[:, t])
        closed = (feedback * beta[:, t])[..., None, None] * outer
        transition = decay[:, t, :, None, None] * torch.eye(width, dtype=x.dtype) - closed
        state = state @ transition + torch.einsum("bh,bhv,bhk->bhvk", beta[:, t], v[:, t], k[:, t])
        query = (q[:, t] - m.correction[:, None] * k[:, t]) / width**0.5
        outputs.append(torch.einsum("bhvk,bhk->bhv", state, query))
    return m.o_proj(normed(torch.stack(outputs, 1), m.o_norm) * torch.sigmoid(m.gate_proj(x)))


def gated_deltanet_2_step_by_step(m: Any, x: torch.Tensor, heads: int) -> torch.Tensor:
    """Return Gated DeltaNet-2 of x [B, T, D] as its paper writes it (2605.22791), with a state S [K, V] per head.

    S_t = (I - k_t (b_t * k_t)^T) Diag(a_t) S_(t-1) + k_t (w_t * v_t)^T, o_t = S_t^T q_t; erase gate b_t per key
    channel, write gate w_t per value channel, decay a_t as in Kimi delta attention.
    """
    q, k, v = convolved_heads(m, x, heads)
    step = functional.softplus(m.step_up(m.step_down(x))).unflatten(-1, (heads, -1))
    decay = torch.exp(-m.rate.exp() * step)
    b, w = (torch.sigmoid(layer(x)).unflatten(-1, (heads, -1)) for layer in (m.erase_proj, m.write_proj))
    width, outputs = k.shape[-1], []
    state = torch.zeros(x.shape[0], heads, width, v.shape[-1], dtype=x.dtype)
    for t in range(x.shape[1]):
        erased = torch.einsum("bhi,bhj->bhij", k[:, t], b[:, t] * k[:, t])
        transition = (torch.eye(width, dtype=x.dtype) - erased) @ torch.diag_embed(decay[:, t])
        state = transition @ state + torch.einsum("bhk,bhv->bhkv", k[:, t], w[:, t] * v[:, t])
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, q[:, t] / width**0.5))
    gate = torch.sigmoid(m.gate_up(m.gate_down(x)))
    return m.o_proj(normed(torch.stack(outputs, 1), m.o_norm) * gate)


def rwkv_7_step_by_step(m: Any, x: torch.Tensor, heads: int) -> torch.Tensor:
    """Return the time mixing of RWKV-7 for x [B, T, D] as its paper writes it (2503.14456), with a state S [V, K].

    S_t = S_(t-1) (diag(w_t) - kappa_t^T (a_t * kappa_t)) + v_t^T k_t for row vectors; then group norm of r_t S_t^T, the
    bonus (r_t * rho * k_t) summed, times v_t, and the gate. Without the value residual.
    """
    before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)
    x_r, x_w, x_k, x_v, x_a, x_g = (x + (before - x) * share for share in m.shift)
    key, a = m.k_proj(x_k), torch.sigmoid(m.rate[1](m.rate[0](x_a)))
    raw = m.decay[2](torch.tanh(m.decay[0](x_w)))
    w = torch.exp(-torch.sigmoid(raw) / torch.e**0.5)
    vectors = m.r_proj(x_r), w, key * (1 + (a - 1) * m.replacement), m.v_proj(x_v), a, key * m.removal
    r, w, k, v, a, kappa = (z.unflatten(-1, (heads, -1)) for z in vectors)
    kappa = kappa / kappa.norm(dim=-1, keepdim=True)
    width, outputs = k.shape[-1], []
    state = torch.zeros(x.shape[0], heads, width, width, dtype=x.dtype)
    for t in range(x.shape[1]):
        removal = torch.einsum("bhi,bhj->bhij", kappa[:, t], a[:, t] * kappa[:, t])
        state = state @ (torch.diag_embed(w[:, t]) - removal) + torch.einsum("bhv,bhk->bhvk", v[:, t], k[:, t])
        read = torch.einsum("bhvk,bhk->bhv", state, r[:, t])
        centred = read - read.mean(-1, keepdim=True)
        norm = centred / (read.var(-1, correction=0, keepdim=True) + width * 1e-5).sqrt()
        bonus = (r[:, t] * m.bonus * k[:, t]).sum(-1, keepdim=True) * v[:, t]
        outputs.append(norm.flatten(1) * m.o_norm + m.o_shift + bonus.flatten(1))
    gate = m.gate[2](torch.sigmoid(m.gate[0](x_g)))
    return m.o_proj(torch.stack(outputs, 1) * gate)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("comba", comba_step_by_step),
        ("gated-deltanet-2", gated_deltanet_2_step_by_step),
        ("rwkv-7", rwkv_7_step_by_step),
    ],
)
def test_a_layer_computes_what_its_paper_writes(name: str, formula: Callable[..., torch.Tensor]) -> None:
    """Outputs and the gradient of the input, at an odd length and with parameters away from their start."""
    assert_computes(HUMAN_DESIGNS[name].source, formula)


def test_comba_stays_finite_when_it_forgets_everything() -> None:
    """A decay of zero would make its rate for the kernel infinite; the clamp prevents it."""
    mixer = mixer_of(HUMAN_DESIGNS["comba"].source, 32, 2)
    mixer.step_proj.bias.data.fill_(1e4)
    x = torch.randn(2, 37, 32, requires_grad=True)
    mixer(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_a_layer_without_a_design_is_no_donor() -> None:
    """A campaign that opened with published layers too breeds from the baselines that have a design."""
    request = ProposalRequested(slot=9, arm="guided", parent="base-comba")
    assert [donor.id for donor in select_donors(request, (), ("comba", "gla"))] == ["base-gla"]


def test_a_layer_climbs_the_ladder_like_any_baseline(tmp_path: Path) -> None:
    """A simulated campaign opens with it, sends candidates against it, and comes to its end."""
    lab = Laboratory(Archive(tmp_path), "layers", Random(3), NO_FAULTS)
    plan = verification_plan((1, 2))
    lab.start(campaign_started(seed=3, experiments=6, slots=2, baselines=("rwkv-7", "comba"), verification=plan))
    lab.run()
    opened = [e for e in lab.events(ProposalCreated) if e.experiment in {"base-rwkv-7", "base-comba"}]
    assert [cast("ProposalCreated", e.event).design for e in opened] == [None, None]
    promoted = cast("PromotionDecided", lab.events(PromotionDecided)[0].event)
    assert set(promoted.baselines) == {"base-rwkv-7", "base-comba"}
    assert len(lab.events(CampaignFinished)) == 1
