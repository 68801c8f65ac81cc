"""Rules that step as an optimiser does, and two memories without a delta rule: each against its definition."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stand_ins.fla import ops
from stand_ins.fla.modules.l2norm import l2norm
from tests.support.stepwise import BATCH, HEADS, LENGTH, ROOT, VALUES, WIDTH, Steps, empty, outer, read, stepwise


@pytest.fixture
def x() -> Steps:
    """What the operators take, in double precision; keys and queries are of length one."""
    torch.manual_seed(0)
    wide = {name: l2norm(torch.randn(BATCH, LENGTH, HEADS, WIDTH).double()) for name in ("q", "k", "p")}
    rates = {name: torch.rand(BATCH, LENGTH, HEADS).double() for name in ("beta", "eta", "power", "omega", "r")}
    fading = {name: -torch.rand(BATCH, LENGTH, HEADS).double() for name in ("g", "g_atk", "log_alpha", "log_mu")}
    channels = {"gk": -torch.rand(BATCH, LENGTH, HEADS, WIDTH), "noise": torch.rand(BATCH, LENGTH, HEADS, WIDTH)}
    gates = {name: 3 * torch.randn(BATCH, LENGTH, HEADS).double() for name in ("i", "f")}
    values = {"v": torch.randn(BATCH, LENGTH, HEADS, VALUES).double()}
    return wide | rates | fading | {name: value.double() for name, value in channels.items()} | gates | values


def corrected(s: Tensor, decay: Tensor, t: Steps, write: Tensor) -> Tensor:
    """Return the state after fading and after writing what v differs by from what k reads."""
    s = decay * s
    return s + outer(write, t["v"] - read(s, t["k"]))


@pytest.mark.parametrize("faded", [True, False])
def test_errors_gather_in_a_momentum_that_the_state_follows(x: Steps, faded: bool):
    """The momentum fades and takes up the error that p reads; the state fades and steps along the momentum."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        s, m = state
        alpha, mu = (t[name].exp()[..., None, None] for name in ("log_alpha", "log_mu"))
        p = t["p"] * t["log_alpha"].exp()[..., None] if faded else t["p"]
        m = mu * m - outer(t["eta"][..., None] * t["k"], t["v"] - read(s, p))
        s = alpha * s - t["beta"][..., None, None] * m
        return (s, m), ROOT * read(s, t["q"])

    names = ("q", "k", "v", "log_alpha", "log_mu", "p", "beta", "eta")
    o, state = ops.chunk_momentum_delta_rule(
        **{name: x[name] for name in names}, use_p_times_alpha=faded, use_qk_l2norm_in_kernel=False,
        output_final_state=True,
    )  # fmt: skip
    assert torch.allclose(o, stepwise(x, step, (empty(), empty())))
    assert state is not None
    assert state.shape == (2, BATCH, HEADS, WIDTH, VALUES)


def test_a_key_is_written_less_where_its_channels_were_written_much(x: Steps):
    """A channel's count A fades and grows by squares of keys; keys are divided by 1.5 to the softsign of its log."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        s, count = state
        count = t["g_atk"].exp()[..., None] * count + t["power"][..., None] * t["k"] ** 2
        far = (count + 1e-6).log() + 0.2
        write = t["beta"][..., None] * t["k"] * 1.5 ** (-far / (1 + far.abs()))
        s = corrected(s, t["g"].exp()[..., None, None], t, write)
        return (s, count), ROOT * read(s, t["q"])

    given: dict[str, Any] = {name: x[name] for name in ("q", "k", "v", "g_atk", "beta")}
    given |= {"beta_atk": x["power"], "use_qk_l2norm_in_kernel": False}
    expected = stepwise(x, step, (empty(), torch.zeros(BATCH, HEADS, WIDTH).double()))
    o, state, count = ops.chunk_precond_gated_delta_rule(**given, g=x["g"], output_final_state=True)
    assert torch.allclose(o, expected)
    assert state.shape == (BATCH, HEADS, WIDTH, VALUES)
    assert count.shape == (BATCH, HEADS, WIDTH)
    wide, *_ = ops.fused_recurrent_precond_kda(**given, g=x["g"][..., None].expand_as(x["k"]))
    assert torch.allclose(wide, expected)


def test_the_gain_of_an_isotropic_filter(x: Steps):
    """One precision a head: it fades with the memory, grows by what a key tells, and says how much is written."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        s, c = state
        z = (2 * t["gk"]).exp().mean(-1) / c + t["omega"]
        s = corrected(s, t["gk"].exp()[..., None], t, (z / (t["r"] + z * (t["k"] ** 2).sum(-1)))[..., None] * t["k"])
        return (s, 1 / z + (t["k"] ** 2).sum(-1) / t["r"]), ROOT * read(s, t["q"])

    o, state = ops.chunk_iso_kdn(*(x[name] for name in TAKES["chunk_iso_kdn"]), output_final_state=True)
    assert torch.allclose(o, stepwise(x, step, (empty(), torch.ones(BATCH, HEADS).double())))
    assert state is not None
    assert state[1].shape == (BATCH, HEADS)


def test_the_gain_of_a_diagonal_filter(x: Steps):
    """A precision for every channel: what is written along is turned away from the key."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        s, c = state
        z, r = (2 * t["gk"]).exp() / c + t["noise"], t["r"][..., None]
        s = corrected(s, t["gk"].exp()[..., None], t, z * t["k"] / (r + (z * t["k"] ** 2).sum(-1, keepdim=True)))
        return (s, 1 / z + WIDTH * t["k"] ** 2 / r), ROOT * read(s, t["q"])

    o, _ = ops.fused_recurrent_diag_kdn(*(x[name] for name in TAKES["chunk_diag_kdn"]))
    assert torch.allclose(o, stepwise(x, step, (empty(), torch.ones(BATCH, HEADS, WIDTH).double())))


@pytest.mark.parametrize("normalised", [True, False, None])
def test_exponential_gates_are_those_of_the_definition(x: Steps, normalised: bool | None):
    """The matrix memory over its normaliser, and what both gates learn; unnormalised it is over exp(m)."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        keep, take = t["f"].sigmoid()[..., None], t["i"].exp()[..., None]
        c, n = keep[..., None] * state[0] + outer(take * t["k"], t["v"]), keep * state[1] + take * t["k"]
        weight = ROOT * (n * t["q"]).sum(-1, keepdim=True)
        o = ROOT * read(c, t["q"])
        return (c, n), o if normalised is None else o / (weight.abs().clamp(min=1) if normalised else weight)

    gates = [x[name].requires_grad_() for name in ("i", "f")]
    expected = stepwise(x, step, (empty(), torch.zeros(BATCH, HEADS, WIDTH).double()))
    o, _ = ops.chunk_mlstm(*(x[name] for name in TAKES["chunk_mlstm"]), eps=0.0, max_normalisation=normalised)
    o = o * most_of(x)[..., None].exp() if normalised is None else o
    assert torch.allclose(o, expected)
    for seen, wanted in zip(
        torch.autograd.grad(o.sum(), gates), torch.autograd.grad(expected.sum(), gates), strict=True
    ):
        assert torch.allclose(seen, wanted)


def test_exponential_gates_are_kept_finite(x: Steps):
    """Gates whose exponential no number holds."""
    o, _ = ops.chunk_mlstm(*(x[name] for name in ("q", "k", "v")), 800 + x["i"], x["f"])
    assert o.isfinite().all()


def most_of(x: Steps) -> Tensor:
    """Return the largest exponent so far."""
    most, seen = torch.full((BATCH, HEADS), -torch.inf).double(), []
    for i, f in zip(x["i"].unbind(1), x["f"].unbind(1), strict=True):
        most = torch.maximum(torch.nn.functional.logsigmoid(f) + most, i)
        seen.append(most)
    return torch.stack(seen, 1).detach()


@pytest.mark.parametrize("normalised", [True, False])
def test_attention_of_second_order(x: Steps, normalised: bool):
    """A query meets the queries before it in the keys that these had seen, and sums their values."""
    q, k, v = ROOT * x["q"], x["k"], x["v"]
    past = torch.ones(LENGTH, LENGTH).tril().double()
    chains = past * torch.einsum("bthd,bihd,bihe,bjhe,ji->bhtj", q, k, k, q, past)
    expected = torch.einsum("bhtj,bjhv->bthv", chains, v)
    expected = expected / chains.sum(-1).mT[..., None] if normalised else expected
    o, _ = ops.recurrent_hla(x["q"], k, v, normalize=normalised, eps=0.0)
    assert torch.allclose(o, expected)


TAKES: dict[str, tuple[str, ...]] = {
    "chunk_momentum_delta_rule": ("q", "k", "v", "log_alpha", "log_mu", "p", "beta", "eta"),
    "chunk_precond_gated_delta_rule": ("q", "k", "v", "g_atk", "g", "power", "beta"),
    "chunk_iso_kdn": ("q", "k", "v", "gk", "omega", "r"),
    "chunk_diag_kdn": ("q", "k", "v", "gk", "noise", "r"),
    "chunk_mlstm": ("q", "k", "v", "i", "f"),
    "recurrent_hla": ("q", "k", "v"),
}


def cut(x: Steps, name: str, where: slice) -> list[Tensor]:
    """Return a part of what an operator takes."""
    return [x[each][:, where] for each in TAKES[name]]


@pytest.mark.parametrize("name", TAKES)
def test_an_operator_goes_on_from_its_state(x: Steps, name: str):
    """Two halves, the second begun with what the first left, give the whole."""
    operator: Any = getattr(ops, name)
    whole, *_ = operator(*cut(x, name, slice(None)))
    first, *state = operator(*cut(x, name, slice(3)), output_final_state=True)
    begin = {"initial_state": state[0]} | ({"initial_A_state": state[1]} if len(state) > 1 else {})
    second, *_ = operator(*cut(x, name, slice(3, None)), **begin)
    assert torch.allclose(torch.cat([first, second], 1), whole)


@pytest.mark.parametrize("name", TAKES)
def test_packed_sequences_are_what_they_are_alone(x: Steps, name: str):
    """Offsets part a row into sequences."""
    operator: Any = getattr(ops, name)
    row = {each: value[:1] for each, value in x.items()}
    packed, *_ = operator(*cut(row, name, slice(None)), cu_seqlens=torch.tensor([0, 3, LENGTH]))
    alone = [operator(*cut(row, name, where))[0] for where in (slice(3), slice(3, None))]
    assert torch.allclose(packed, torch.cat(alone, 1))
