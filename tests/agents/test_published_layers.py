"""The layers of papers that the grammar has no units for, each against its paper's formula, one step at a time."""

from typing import Any

import torch
from torch.nn import functional

from agents.design import HUMAN_DESIGNS
from agents.search.breeding import select_donors
from bus.vocabulary.events import ProposalRequested
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


def test_comba_computes_what_its_paper_writes() -> None:
    """The kernel's gated delta rule with other rates and values is Comba's recurrence."""
    assert_computes(HUMAN_DESIGNS["comba"].source, comba_step_by_step)


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
