"""The human baselines: all six, distinct, faithful to their papers, and able to recall if their papers say so."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from agents.design import BASELINES, HUMAN_DESIGNS, Baseline
from agents.design.baselines import PublishedLayer
from tests.support.step_by_step import assert_computes, convolved_heads, mixer_of, normed

NAMES = ("linear-attention", "retnet", "gla", "mamba2", "deltanet", "gated-deltanet")


def test_the_six_baselines_are_distinct() -> None:
    """They have a fixed order, and distinct designs and motivations."""
    assert tuple(BASELINES) == NAMES
    assert len({baseline.design for baseline in BASELINES.values()}) == 6
    assert len({baseline.motivation for baseline in BASELINES.values()}) == 6


@pytest.mark.parametrize("baseline", HUMAN_DESIGNS.values(), ids=HUMAN_DESIGNS)
def test_motivations_are_short_and_sourced(baseline: Baseline | PublishedLayer) -> None:
    """Each has a motivation of at most 60 words, and the arXiv id of its paper."""
    assert 15 <= len(baseline.motivation.split()) <= 60
    year_month, number = baseline.arxiv.split(".")
    assert (len(year_month), len(number)) == (4, 5)


@pytest.mark.parametrize(
    ("name", "fragments"),
    [
        ("linear-attention", ["F.elu(q) + 1", "o[..., -1:]"]),
        ("retnet", ["rotary(q, k)", "-5.0 - torch.arange(n_heads)", "F.silu(self.gate_proj(x))"]),
        ("gla", ["F.logsigmoid", "/ 16", "decay_down"]),
        ("mamba2", ["causal_conv1d", "softplus", "step.unsqueeze(-1) * v", "value_skip"]),
        ("deltanet", ["beta=beta", "F.normalize(k", 'activation="silu"']),
        ("gated-deltanet", ["log_decay=g, beta=beta", "F.normalize(k", "self.gate_proj"]),
    ],
)
def test_a_source_has_the_lines_that_define_it(name: str, fragments: list[str]) -> None:
    """A reader of the paper finds its equations in the source."""
    assert [fragment for fragment in fragments if fragment not in BASELINES[name].source] == []


def test_deltanet_has_no_decay_and_linear_attention_no_convolution() -> None:
    """A baseline has no part that its paper has not."""
    assert "log_decay" not in BASELINES["deltanet"].source
    assert "causal_conv1d" not in BASELINES["linear-attention"].source


def kda_step_by_step(m: Any, x: torch.Tensor, heads: int) -> torch.Tensor:
    """Return Kimi delta attention of x [B, T, D] as its paper writes it (2510.26692, equation 1), one step at a time.

    S_t = (I - b_t k_t k_t^T) Diag(a_t) S_(t-1) + b_t k_t v_t^T, o_t = S_t^T q_t. Decay a_t per key channel:
    exp(-rate of the head * softplus(low-rank map of x + bias)). Queries and keys are unit vectors after convolution and
    SiLU, b_t is a sigmoid per head, and the output is normed per head and gated by a low-rank sigmoid.
    """
    q, k, v = convolved_heads(m, x, heads)
    beta = torch.sigmoid(m.beta_proj(x))
    step = functional.softplus(m.step_up(m.step_down(x))).unflatten(-1, (heads, -1))
    decay = torch.exp(-m.rate.exp() * step)
    state, outputs = torch.zeros(*x.shape[:1], heads, k.shape[-1], v.shape[-1]), []
    for t in range(x.shape[1]):
        state = decay[:, t, :, :, None] * state
        error = v[:, t] - torch.einsum("bhk,bhkv->bhv", k[:, t], state)
        state = state + torch.einsum("bh,bhk,bhv->bhkv", beta[:, t], k[:, t], error)
        outputs.append(torch.einsum("bhk,bhkv->bhv", q[:, t] / k.shape[-1] ** 0.5, state))
    return m.o_proj(normed(torch.stack(outputs, 1), m.o_norm) * torch.sigmoid(m.gate_up(m.gate_down(x))))


def test_kda_computes_what_its_paper_writes() -> None:
    """Outputs and the gradient of the input, at an odd length."""
    assert_computes(HUMAN_DESIGNS["kda"].source, kda_step_by_step)


def test_newer_designs_are_no_default() -> None:
    """They come after the default ones, with which all timings were made."""
    assert tuple(HUMAN_DESIGNS) == (*BASELINES, "kda", "comba", "gated-deltanet-2", "rwkv-7")


class Recaller(nn.Module):
    """One mixer between an embedding and a head."""

    def __init__(self, source: str, tokens: int, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.mixer = mixer_of(source, width, 2)
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, tokens, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens [B, T] to logits [B, T, V]."""
        h = self.embedding(tokens)
        return self.head(h + self.mixer(self.norm(h)))


PAIRS, KEYS = 4, 16


def recall_batch(generator: torch.Generator, rows: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Return PAIRS key-value pairs with every key again in another order [B, 3 P], and the values to recall [B, P]."""
    keys = torch.rand(rows, KEYS, generator=generator).argsort(1)[:, :PAIRS]
    values = torch.randint(KEYS, 2 * KEYS, (rows, PAIRS), generator=generator)
    order = torch.rand(rows, PAIRS, generator=generator).argsort(1)
    pairs = torch.stack([keys, values], 2).flatten(1)
    return torch.cat([pairs, keys.gather(1, order)], 1), values.gather(1, order)


def recall(name: str, steps: int) -> float:
    """Return the accuracy of recall on new sequences after this number of training steps."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = Recaller(BASELINES[name].source, 2 * KEYS)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        tokens, values = recall_batch(generator)
        loss = functional.cross_entropy(model(tokens)[:, -PAIRS:].flatten(0, 1), values.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    tokens, values = recall_batch(generator, 256)
    return (model(tokens)[:, -PAIRS:].argmax(-1) == values).float().mean().item()


def test_delta_rules_recall_what_plain_linear_attention_does_not() -> None:
    """After the same few steps both delta baselines recall most values, and plain linear attention far fewer."""
    linear, delta, gated = (recall(name, 120) for name in ("linear-attention", "deltanet", "gated-deltanet"))
    print(f"linear-attention {linear:.3f}, deltanet {delta:.3f}, gated-deltanet {gated:.3f}")
    assert min(delta, gated) > 0.8
    assert linear < min(delta, gated) - 0.2
