"""fla's operators, each against its definition in the paper, one step at a time."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stand_ins import flash_attn
from stand_ins.fla import ops
from stand_ins.fla.modules.l2norm import l2norm
from tests.support.stepwise import BATCH, HEADS, LENGTH, QUERY_SCALE, VALUES, WIDTH, Steps, empty, outer, read, stepwise

SLOTS = 5


@pytest.fixture
def x() -> Steps:
    """Inputs of the operators, [B, T, H, ...] in double precision."""
    torch.manual_seed(0)
    wide = {name: torch.randn(BATCH, LENGTH, HEADS, WIDTH).double() for name in ("q", "k", "p", "a", "b", "w", "e")}
    decays = {"gk": -torch.rand(BATCH, LENGTH, HEADS, WIDTH).double(), "g": -torch.rand(BATCH, LENGTH, HEADS).double()}
    return (
        wide
        | decays
        | {
            "v": torch.randn(BATCH, LENGTH, HEADS, VALUES).double(),
            "write": torch.rand(BATCH, LENGTH, HEADS, VALUES).double(),
            "beta": torch.rand(BATCH, LENGTH, HEADS).double(),
            "s": torch.randn(BATCH, LENGTH, HEADS, SLOTS).double(),
            "fade": -torch.rand(BATCH, LENGTH, HEADS, SLOTS).double(),
            "u": torch.randn(HEADS, WIDTH).double(),
            "lamb": 0.5 + torch.rand(HEADS, WIDTH).double(),
        }
    )


def test_a_transition_with_a_rank_one_term(x: Steps):
    """S <- diag(exp(g)) S + b (aᵀ S) + k vᵀ, read by q."""

    def step(s: Tensor, t: Steps) -> tuple[Tensor, Tensor]:
        s = t["gk"].exp()[..., None] * s + outer(t["b"], read(s, t["a"])) + outer(t["k"], t["v"])
        return s, QUERY_SCALE * read(s, t["q"])

    o, _ = ops.chunk_dplr_delta_rule(x["q"], x["k"], x["v"], x["a"], x["b"], x["gk"])
    assert torch.allclose(o, stepwise(x, step, empty()))
    rwkv7, _ = ops.chunk_rwkv7(r=x["q"], w=x["gk"], k=x["k"], v=x["v"], a=x["a"], b=x["b"], scale=QUERY_SCALE)
    assert torch.allclose(o, rwkv7)


def test_comba_reads_its_error_by_another_key(x: Steps):
    """The state decays, then k writes beta (v - Sᵀ p)."""

    def step(s: Tensor, t: Steps) -> tuple[Tensor, Tensor]:
        s = t["g"].exp()[..., None, None] * s
        s = s + outer(t["k"], t["beta"][..., None] * (t["v"] - read(s, t["p"])))
        return s, QUERY_SCALE * read(s, t["q"])

    expected = stepwise(x, step, empty())
    chunked, _ = ops.chunk_comba(x["q"], x["k"], x["v"], x["p"], x["g"], x["beta"])
    recurrent, _ = ops.fused_recurrent_comba(x["q"], x["k"], x["p"], x["v"], x["g"], x["beta"])
    assert torch.allclose(chunked, expected)
    assert torch.allclose(recurrent, expected)


def test_erasing_and_writing_have_separate_gates(x: Steps):
    """The state decays, then k writes w * v - Sᵀ (e * k)."""

    def step(s: Tensor, t: Steps) -> tuple[Tensor, Tensor]:
        s = t["gk"].exp()[..., None] * s
        s = s + outer(t["k"], t["write"] * t["v"] - read(s, t["e"] * t["k"]))
        return s, QUERY_SCALE * read(s, t["q"])

    o, _ = ops.chunk_gdn2(x["q"], x["k"], x["v"], x["gk"], x["e"], x["write"])
    assert torch.allclose(o, stepwise(x, step, empty()))


def test_slots_are_written_with_decay_and_read_by_a_softmax(x: Steps):
    """Their keys give scores, and a softmax of the scores reads their values."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        decay = t["fade"].exp()
        keys = state[0] * decay[..., None, :] + outer(t["k"], t["s"])
        values = state[1] * decay[..., :, None] + outer(t["s"], t["v"])
        return (keys, values), read(values, (QUERY_SCALE * read(keys, t["q"])).softmax(-1))

    start = (torch.zeros(BATCH, HEADS, WIDTH, SLOTS).double(), torch.zeros(BATCH, HEADS, SLOTS, VALUES).double())
    o, _ = ops.chunk_gsa(x["q"], x["k"], x["v"], x["s"], x["fade"])
    assert torch.allclose(o, stepwise(x, step, start))


def test_slots_without_decay_hold_means_over_the_past(x: Steps):
    """Each slot holds keys and values weighted by a softmax over time of its scores."""
    o, _ = ops.chunk_abc(x["q"], x["k"], x["v"], x["s"])
    for t in range(LENGTH):
        weights = x["s"][:, : t + 1].softmax(1)
        keys, values = (torch.einsum("bthm,bthd->bhmd", weights, x[name][:, : t + 1]) for name in ("k", "v"))
        reads = (QUERY_SCALE * torch.einsum("bhmk,bhk->bhm", keys, x["q"][:, t])).softmax(-1)
        assert torch.allclose(o[:, t], torch.einsum("bhm,bhmv->bhv", reads, values))


def test_the_present_has_a_bonus(x: Steps):
    """A step reads the state before it plus u times its own write; then the state decays and takes the write."""

    def step(s: Tensor, t: Steps) -> tuple[Tensor, Tensor]:
        write = outer(t["k"], t["v"])
        o = QUERY_SCALE * read(s + t["u"][..., None] * write, t["q"])
        return t["gk"].exp()[..., None] * s + write, o

    o, _ = ops.fused_recurrent_rwkv6(x["q"], x["k"], x["v"], x["gk"], x["u"])
    assert torch.allclose(o, stepwise(x, step, empty()))


def test_independent_channels(x: Steps):
    """H <- exp(g) h + x."""

    def step(h: Tensor, t: Steps) -> tuple[Tensor, Tensor]:
        h = t["gk"].exp() * h + t["q"]
        return h, h

    o, _ = ops.chunk_hgrn(x["q"].flatten(2), x["gk"].flatten(2))
    assert torch.allclose(o.unflatten(2, (HEADS, WIDTH)), stepwise(x, step, torch.zeros(()).double()))


def test_mesa_solves_for_the_query(x: Steps):
    """The query is solved against the decayed sum of beta k kᵀ plus a ridge, then reads beta k vᵀ."""

    def step(state: tuple[Tensor, Tensor], t: Steps) -> tuple[tuple[Tensor, Tensor], Tensor]:
        decay, weight = t["g"].exp()[..., None, None], t["beta"][..., None, None]
        kk = decay * state[0] + weight * outer(t["k"], t["k"])
        kv = decay * state[1] + weight * outer(t["k"], t["v"])
        return (kk, kv), read(kv, torch.linalg.solve(kk + torch.diag_embed(t["lamb"]), t["q"]))

    start = (torch.zeros(BATCH, HEADS, WIDTH, WIDTH).double(), empty())
    o, _, _ = ops.chunk_mesa_net(x["q"], x["k"], x["v"], x["g"], x["beta"], x["lamb"])
    assert torch.allclose(o, stepwise(x, step, start), atol=1e-6)


def test_several_steps_a_token(x: Steps):
    """A token decays the state once, corrects it twice, then reads."""
    k, v, beta = (torch.cat([x[name], x[name].flip(1)], 1) for name in ("k", "v", "beta"))
    k = l2norm(k)
    state, outputs = empty(), []
    for t in range(LENGTH):
        state = x["g"][:, t].exp()[..., None, None] * state
        for i in (2 * t, 2 * t + 1):
            state = state + outer(k[:, i], beta[:, i, :, None] * (v[:, i] - read(state, k[:, i])))
        outputs.append(QUERY_SCALE * read(state, x["q"][:, t]))
    o, _ = ops.chunk_gated_delta_product(x["q"], k, v, x["g"], beta, num_householder=2)
    assert torch.allclose(o, torch.stack(outputs, 1))


def weighted(x: Steps, weights: Tensor) -> Tensor:
    """Return the mean of past values by weights [B, H, T, T], whose future part is ignored."""
    weights = weights.tril()
    return torch.einsum("bhts,bshv->bthv", weights / weights.sum(-1, keepdim=True), x["v"])


def scores(x: Steps) -> Tensor:
    """Return q · k / sqrt(D), [B, H, T, T]."""
    return QUERY_SCALE * torch.einsum("bthd,bshd->bhts", x["q"], x["k"])


@pytest.mark.parametrize(
    ("operator", "weights"),
    [
        (ops.parallel_based, lambda s: 1 + s + s**2 / 2),
        (ops.parallel_rebased, lambda s: s**2),
        (ops.parallel_attn, torch.exp),
    ],
)
def test_weights_of_the_past(x: Steps, operator: Callable[..., Tensor], weights: Callable[[Tensor], Tensor]):
    """A mean of past values, weighted by a function of the scores."""
    assert torch.allclose(operator(x["q"], x["k"], x["v"]), weighted(x, weights(scores(x))), atol=1e-4)


def test_forgetting_lowers_the_scores_of_the_past(x: Steps):
    """The score falls by the sum of the log decays in between."""
    cumulative = x["g"].cumsum(1).mT
    expected = weighted(x, (scores(x) + cumulative[..., :, None] - cumulative[..., None, :]).exp())
    assert torch.allclose(ops.parallel_forgetting_attn(x["q"], x["k"], x["v"], x["g"]), expected)


def test_keys_are_softmaxes_over_the_past(x: Steps):
    """At each position a key's weights of past values sum to one in every channel."""
    o, _ = ops.chunk_lightnet(x["q"], x["k"], x["v"])
    for t in range(LENGTH):
        keys = x["k"][:, : t + 1].softmax(1)
        state = torch.einsum("bthk,bthv->bhkv", keys, x["v"][:, : t + 1])
        assert torch.allclose(o[:, t], QUERY_SCALE * read(state, x["q"][:, t]))


def test_scores_pass_through_reflections(x: Steps):
    """A score of a key passes through the reflection of every step after it."""
    w = l2norm(x["w"])
    expected = torch.zeros(BATCH, HEADS, LENGTH, LENGTH).double()
    for t in range(LENGTH):
        q = x["q"][:, t]
        for s in range(t, -1, -1):
            expected[:, :, t, s] = (q * x["k"][:, s]).sum(-1)
            q = q - x["beta"][:, s, :, None] * (q * w[:, s]).sum(-1, keepdim=True) * w[:, s]
    o, _ = ops.parallel_path_attn(x["q"], x["k"], x["v"], w, x["beta"])
    assert torch.allclose(o, weighted(x, (QUERY_SCALE * expected).exp()))


def test_the_nearest_key_breaks_the_stick_first(x: Steps):
    """A key's weight is its share of what nearer keys leave; the operator also returns the final remainder."""
    o, unused = ops.parallel_stickbreaking_attn(x["q"], x["k"], x["v"])
    share = scores(x).sigmoid()
    for t in range(LENGTH):
        remainder, expected = torch.ones(BATCH, HEADS).double(), torch.zeros(BATCH, HEADS, VALUES).double()
        for s in range(t - 1, -1, -1):
            expected = expected + (remainder * share[:, :, t, s])[..., None] * x["v"][:, s]
            remainder = remainder * (1 - share[:, :, t, s])
        assert torch.allclose(o[:, t], expected)
        assert torch.allclose(unused[:, t], remainder)


def test_written_values_exclude_what_the_past_answers(x: Steps):
    """u_t = v_t - beta_t (softmax attention of k_t's query to the u before it); then attention to u."""
    past = scores(x)
    writes = [x["v"][:, 0]]
    for t in range(1, LENGTH):
        weights = past[:, :, t, :t].softmax(-1)
        answer = torch.einsum("bhs,bshv->bhv", weights, torch.stack(writes, 1))
        writes.append(x["v"][:, t] - x["beta"][:, t, :, None] * answer)
    expected = weighted({"v": torch.stack(writes, 1)}, past.exp())
    assert torch.allclose(ops.deltaformer_attn(x["q"], x["k"], x["v"], x["beta"]), expected)


CALLS: dict[str, tuple[str, ...]] = {
    "chunk_gsa": ("q", "k", "v", "s", "fade"),
    "chunk_rwkv6": ("q", "k", "v", "gk", "u"),
    "chunk_rwkv7": ("q", "gk", "k", "v", "a", "b"),
    "chunk_comba": ("q", "k", "v", "p", "g", "beta"),
    "chunk_kda": ("q", "k", "v", "gk", "beta"),
    "fused_recurrent_hgrn": ("q", "gk"),
}


@pytest.mark.parametrize(("name", "takes"), CALLS.items())
def test_packed_sequences_are_independent(x: Steps, name: str, takes: tuple[str, ...]):
    """Outputs and final states are those of each sequence alone."""
    operator = getattr(ops, name)
    alone = [x[key][:1] if x[key].ndim > 2 else x[key] for key in takes]
    ends = [(0, 3), (3, LENGTH)]
    pieces = [operator(*(t[:, a:b] if t.ndim > 2 else t for t in alone), output_final_state=True) for a, b in ends]
    packed, states = operator(*alone, cu_seqlens=torch.tensor([0, 3, LENGTH]), output_final_state=True)
    assert torch.allclose(packed, torch.cat([o for o, _ in pieces], 1))
    last = states[-1] if isinstance(states, tuple) else states
    assert torch.allclose(last, torch.cat([s[-1] if isinstance(s, tuple) else s for _, s in pieces]))


@pytest.mark.parametrize(("name", "takes"), CALLS.items())
def test_an_operator_continues_from_its_state(x: Steps, name: str, takes: tuple[str, ...]):
    """Two pieces with the state between them give the output of one call."""
    operator = getattr(ops, name)
    inputs = [x[key] for key in takes]
    y_1, state = operator(*(t[:, :3] if t.ndim > 2 else t for t in inputs), output_final_state=True)
    y_2, _ = operator(*(t[:, 3:] if t.ndim > 2 else t for t in inputs), initial_state=state)
    expected, none = operator(*inputs)
    assert none is None
    assert torch.allclose(torch.cat([y_1, y_2], 1), expected)


def test_attention_of_flash_attn_is_causal_windowed_and_packed(x: Steps):
    """The last query sees the last key; a window counts earlier steps; packed sequences are independent."""
    q, k, v = x["q"], x["k"], x["v"]
    full = flash_attn.flash_attn_func(q, k, v, causal=True)
    assert torch.allclose(full, weighted(x, scores(x).exp()))
    assert torch.allclose(flash_attn.flash_attn_func(q[:, -2:], k, v, causal=True), full[:, -2:])
    window = torch.ones(LENGTH, LENGTH).triu(-2)
    windowed = flash_attn.flash_attn_func(q, k, v, causal=True, window_size=(2, 0))
    assert torch.allclose(windowed, weighted(x, scores(x).exp() * window))
    bounds = torch.tensor([0, LENGTH, 2 * LENGTH])
    packed = flash_attn.flash_attn_varlen_func(
        *(t.flatten(0, 1) for t in (q, k, v)), bounds, bounds, LENGTH, LENGTH, causal=True
    )
    assert torch.allclose(packed, full.flatten(0, 1))


def test_a_gate_of_kda_is_a_log_decay(x: Steps):
    """Never positive: by softplus, or by a sigmoid above a lower bound."""
    rate, bias = torch.randn(HEADS).double(), torch.randn(HEADS * WIDTH).double()
    plain = ops.fused_kda_gate(x["q"], rate, bias)
    assert torch.allclose(plain, -rate.exp()[:, None] * F.softplus(x["q"] + bias.view(HEADS, WIDTH)))
    bounded = ops.fused_kda_gate(x["q"], rate, bias, lower_bound=-5.0)
    assert ((bounded < 0) & (bounded > -5)).all()
