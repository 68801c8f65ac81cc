"""Memories that are updated as by an optimiser, and two without a delta rule: each against its definition."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stand_ins.fla import ops
from stand_ins.fla.modules.l2norm import l2norm
from tests.support.stepwise import BATCH, HEADS, LENGTH, QUERY_SCALE, VALUES, WIDTH, Steps, empty, outer, read, stepwise


@pytest.fixture
def x() -> Steps:
    """Inputs of the operators in double precision; keys and queries are normalised."""
    torch.manual_seed(0)
    wide = {name: l2norm(torch.randn(BATCH, LENGTH, HEADS, WIDTH).double()) for name in ("q", "k", "p")}
    rates = {name: torch.rand(BATCH, LENGTH, HEADS).double() for name in ("beta", "eta", "power", "omega", "r")}
    decays = {name: -torch.rand(BATCH, LENGTH, HEADS).double() for name in ("g", "g_atk", "log_alpha", "log_mu")}
    channels = {"gk": -torch.rand(BATCH, LENGTH, HEADS, WIDTH), "noise": torch.rand(BATCH, LENGTH, HEADS, WIDTH)}
    gates = {name: 3 * torch.randn(BATCH, LENGTH, HEADS).double() for name in ("i", "f")}
    values = {"v": torch.randn(BATCH, LENGTH, HEADS, VALUES).double()}
    return wide | rates | decays | {name: value.double() for name, value in channels.items()} | gates | values


def corrected(s: Tensor, decay: Tensor, t: Steps, write: Tensor) -> Tensor:
    """Return the state after the decay and a write of the error, v minus the read of k."""
    s = decay * s
    return s + outer(write, t["v"] - read(s, t["k"]))


@pytest.mark.parametrize("decayed", [True, False])
def test_errors_accumulate_in_a_momentum_that_the_state_follows(x: Steps, decayed: bool):
    """The momentum fades and takes up the error that p reads; the state fades and steps along the momentum."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        s, m = state
        alpha, mu = (t[name].exp()[..., None, None] for name in ("log_alpha", "log_mu"))
        p = t["p"] * t["log_alpha"].exp()[..., None] if decayed else t["p"]
        m = mu * m - outer(t["eta"][..., None] * t["k"], t["v"] - read(s, p))
        s = alpha * s - t["beta"][..., None, None] * m
        return (s, m), QUERY_SCALE * read(s, t["q"])

    names = ("q", "k", "v", "log_alpha", "log_mu", "p", "beta", "eta")
    o, state = ops.chunk_momentum_delta_rule(
        **{name: x[name] for name in names}, use_p_times_alpha=decayed, use_qk_l2norm_in_kernel=False,
        output_final_state=True,
    )  # fmt: skip
    assert torch.allclose(o, stepwise(x, step, (empty(), empty())))
    assert state is not None
    assert state.shape == (2, BATCH, HEADS, WIDTH, VALUES)


def test_channels_that_were_written_much_are_written_less(x: Steps):
    """A channel's sum of writes decays and grows by squares of keys; keys are divided by 1.5 to its log's softsign."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        s, writes = state
        writes = t["g_atk"].exp()[..., None] * writes + t["power"][..., None] * t["k"] ** 2
        excess = (writes + 1e-6).log() + 0.2
        write = t["beta"][..., None] * t["k"] * 1.5 ** (-excess / (1 + excess.abs()))
        s = corrected(s, t["g"].exp()[..., None, None], t, write)
        return (s, writes), QUERY_SCALE * read(s, t["q"])

    inputs: dict[str, Any] = {name: x[name] for name in ("q", "k", "v", "g_atk", "beta")}
    inputs |= {"beta_atk": x["power"], "use_qk_l2norm_in_kernel": False}
    expected = stepwise(x, step, (empty(), torch.zeros(BATCH, HEADS, WIDTH).double()))
    o, state, writes = ops.chunk_precond_gated_delta_rule(**inputs, g=x["g"], output_final_state=True)
    assert torch.allclose(o, expected)
    assert state.shape == (BATCH, HEADS, WIDTH, VALUES)
    assert writes.shape == (BATCH, HEADS, WIDTH)
    wide, *_ = ops.fused_recurrent_precond_kda(**inputs, g=x["g"][..., None].expand_as(x["k"]))
    assert torch.allclose(wide, expected)


def test_the_gain_of_an_isotropic_filter(x: Steps):
    """One precision for each head: it decays with the memory, grows with each key, and sets the size of the write."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        s, c = state
        z = (2 * t["gk"]).exp().mean(-1) / c + t["omega"]
        s = corrected(s, t["gk"].exp()[..., None], t, (z / (t["r"] + z * (t["k"] ** 2).sum(-1)))[..., None] * t["k"])
        return (s, 1 / z + (t["k"] ** 2).sum(-1) / t["r"]), QUERY_SCALE * read(s, t["q"])

    o, state = ops.chunk_iso_kdn(*(x[name] for name in INPUTS["chunk_iso_kdn"]), output_final_state=True)
    assert torch.allclose(o, stepwise(x, step, (empty(), torch.ones(BATCH, HEADS).double())))
    assert state is not None
    assert state[1].shape == (BATCH, HEADS)


def test_the_gain_of_a_diagonal_filter(x: Steps):
    """One precision for each channel: the direction of the write differs from the key."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        s, c = state
        z, r = (2 * t["gk"]).exp() / c + t["noise"], t["r"][..., None]
        s = corrected(s, t["gk"].exp()[..., None], t, z * t["k"] / (r + (z * t["k"] ** 2).sum(-1, keepdim=True)))
        return (s, 1 / z + WIDTH * t["k"] ** 2 / r), QUERY_SCALE * read(s, t["q"])

    o, _ = ops.fused_recurrent_diag_kdn(*(x[name] for name in INPUTS["chunk_diag_kdn"]))
    assert torch.allclose(o, stepwise(x, step, (empty(), torch.ones(BATCH, HEADS, WIDTH).double())))


@pytest.mark.parametrize("normalised", [True, False, None])
def test_exponential_gates_match_the_definition(x: Steps, normalised: bool | None):
    """The matrix memory over its normaliser, and the gradients of both gates; unnormalised, it is over exp(m)."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        keep, take = t["f"].sigmoid()[..., None], t["i"].exp()[..., None]
        c, n = keep[..., None] * state[0] + outer(take * t["k"], t["v"]), keep * state[1] + take * t["k"]
        weight = QUERY_SCALE * (n * t["q"]).sum(-1, keepdim=True)
        o = QUERY_SCALE * read(c, t["q"])
        return (c, n), o if normalised is None else o / (weight.abs().clamp(min=1) if normalised else weight)

    gates = [x[name].requires_grad_() for name in ("i", "f")]
    expected = stepwise(x, step, (empty(), torch.zeros(BATCH, HEADS, WIDTH).double()))
    o, _ = ops.chunk_mlstm(*(x[name] for name in INPUTS["chunk_mlstm"]), eps=0.0, max_normalisation=normalised)
    o = o * largest_exponents(x)[..., None].exp() if normalised is None else o
    assert torch.allclose(o, expected)
    for actual, correct in zip(
        torch.autograd.grad(o.sum(), gates), torch.autograd.grad(expected.sum(), gates), strict=True
    ):
        assert torch.allclose(actual, correct)


def test_large_exponential_gates_stay_finite(x: Steps):
    """They do, even if the exponential of a gate overflows."""
    o, _ = ops.chunk_mlstm(*(x[name] for name in ("q", "k", "v")), 800 + x["i"], x["f"])
    assert o.isfinite().all()


def largest_exponents(x: Steps) -> Tensor:
    """Return the largest exponent so far, [B, T, H]."""
    peak, peaks = torch.full((BATCH, HEADS), -torch.inf).double(), []
    for i, f in zip(x["i"].unbind(1), x["f"].unbind(1), strict=True):
        peak = torch.maximum(torch.nn.functional.logsigmoid(f) + peak, i)
        peaks.append(peak)
    return torch.stack(peaks, 1).detach()


@pytest.mark.parametrize("normalised", [True, False])
def test_attention_of_second_order(x: Steps, normalised: bool):
    """A query is compared with earlier queries by the keys that these had seen, and sums their values."""
    q, k, v = QUERY_SCALE * x["q"], x["k"], x["v"]
    past = torch.ones(LENGTH, LENGTH).tril().double()
    chains = past * torch.einsum("bthd,bihd,bihe,bjhe,ji->bhtj", q, k, k, q, past)
    expected = torch.einsum("bhtj,bjhv->bthv", chains, v)
    expected = expected / chains.sum(-1).mT[..., None] if normalised else expected
    o, _ = ops.recurrent_hla(x["q"], k, v, normalize=normalised, eps=0.0)
    assert torch.allclose(o, expected)


INPUTS: dict[str, tuple[str, ...]] = {
    "chunk_momentum_delta_rule": ("q", "k", "v", "log_alpha", "log_mu", "p", "beta", "eta"),
    "chunk_precond_gated_delta_rule": ("q", "k", "v", "g_atk", "g", "power", "beta"),
    "chunk_iso_kdn": ("q", "k", "v", "gk", "omega", "r"),
    "chunk_diag_kdn": ("q", "k", "v", "gk", "noise", "r"),
    "chunk_mlstm": ("q", "k", "v", "i", "f"),
    "recurrent_hla": ("q", "k", "v"),
}


def cut(x: Steps, name: str, times: slice) -> list[Tensor]:
    """Return a part of an operator's inputs along time."""
    return [x[each][:, times] for each in INPUTS[name]]


@pytest.mark.parametrize("name", INPUTS)
def test_an_operator_continues_from_its_state(x: Steps, name: str):
    """Two halves, the second from the final state of the first, give the output of one call."""
    operator: Any = getattr(ops, name)
    expected, *_ = operator(*cut(x, name, slice(None)))
    y_1, *state = operator(*cut(x, name, slice(3)), output_final_state=True)
    start = {"initial_state": state[0]} | ({"initial_A_state": state[1]} if len(state) > 1 else {})
    y_2, *_ = operator(*cut(x, name, slice(3, None)), **start)
    assert torch.allclose(torch.cat([y_1, y_2], 1), expected)


@pytest.mark.parametrize("name", INPUTS)
def test_packed_sequences_are_independent(x: Steps, name: str):
    """Offsets divide a row into sequences."""
    operator: Any = getattr(ops, name)
    row = {each: value[:1] for each, value in x.items()}
    packed, *_ = operator(*cut(row, name, slice(None)), cu_seqlens=torch.tensor([0, 3, LENGTH]))
    alone = [operator(*cut(row, name, times))[0] for times in (slice(3), slice(3, None))]
    assert torch.allclose(packed, torch.cat(alone, 1))
