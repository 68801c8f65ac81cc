"""The human baselines: all six, distinct, faithful to their papers, and able to recall if their papers say so."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from agents.design import BASELINES, Baseline

NAMES = ("linear-attention", "retnet", "gla", "mamba2", "deltanet", "gated-deltanet")


def test_the_six_baselines_are_distinct() -> None:
    """They have a fixed order, and distinct designs and motivations."""
    assert tuple(BASELINES) == NAMES
    assert len({baseline.design for baseline in BASELINES.values()}) == 6
    assert len({baseline.motivation for baseline in BASELINES.values()}) == 6


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=NAMES)
def test_motivations_are_short_and_sourced(baseline: Baseline) -> None:
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


class Recaller(nn.Module):
    """One mixer between an embedding and a head."""

    def __init__(self, source: str, tokens: int, width: int = 32) -> None:
        super().__init__()
        namespace: dict[str, object] = {"__name__": "candidate"}
        exec(compile(source, "candidate.py", "exec"), namespace)  # sources of our own grammar
        mixer = next(v for v in namespace.values() if isinstance(v, type) and v.__module__ == "candidate")
        self.embedding = nn.Embedding(tokens, width)
        self.mixer = mixer(width, 2)  # pyright: ignore[reportCallIssue]
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
