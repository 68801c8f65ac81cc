"""The small language model around a candidate, and the width that makes all of them the same size.

Embedding, blocks of pre-norm mixer and pre-norm gated MLP, norm, head. A mixer with more parameters gets a narrower
MLP, so that candidates are compared at one parameter budget. The state size depends on d_model and the heads; it stays
the same unless the mixer alone exceeds the budget.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.candidate.adapter import MixerFactory
from trainer.gates.subject import reseed
from trainer.scales import Scale, Shape

WIDTH_MULTIPLE = 4
"""MLP widths are multiples of this."""


@dataclass(frozen=True)
class Width:
    """The widths of a model, and its size."""

    d_model: int
    """Width of the model."""
    hidden: int
    """Width of the gated MLP."""
    parameters: int
    """Trainable parameters."""

    def describe(self, shape: Shape) -> str:
        """Return the widths and the distance to the budget in one line, as evidence."""
        gap = self.parameters / shape.parameters - 1
        return (
            f"d_model {self.d_model}, MLP {self.hidden}: {self.parameters} parameters, {gap:+.1%} of {shape.parameters}"
        )


class FeedForward(nn.Module):
    """The gated MLP: down(silu(gate) * value) (SwiGLU, arXiv 2002.05202)."""

    def __init__(self, d_model: int, hidden: int) -> None:
        """Build the two projections."""
        super().__init__()
        self.up = nn.Linear(d_model, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        gate, value = self.up(x).chunk(2, dim=-1)  # [B, T, hidden] each
        return self.down(functional.silu(gate) * value)


class Block(nn.Module):
    """x + mixer(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, mixer: nn.Module, d_model: int, hidden: int) -> None:
        """Build the norms and the MLP around the mixer."""
        super().__init__()
        self.mixer_norm = nn.RMSNorm(d_model)
        self.mixer = mixer
        self.mlp_norm = nn.RMSNorm(d_model)
        self.mlp = FeedForward(d_model, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        x = x + self.mixer(self.mixer_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class LanguageModel(nn.Module):
    """Tokens [B, T] to logits [B, T, vocabulary], or to the logits [N, vocabulary] of N positions."""

    def __init__(self, mixer: MixerFactory, shape: Shape, width: Width) -> None:
        """Build every block; the caller seeds the global generator."""
        super().__init__()
        d = width.d_model
        self.embedding = nn.Embedding(shape.vocabulary, d)
        self.blocks = nn.ModuleList(
            Block(mixer(d, shape.n_heads, layer), d, width.hidden) for layer in range(shape.layers)
        )
        self.norm = nn.RMSNorm(d)
        self.head = nn.Linear(d, shape.vocabulary, bias=False)
        nn.init.normal_(self.head.weight, std=d**-0.5)
        if shape.tied:
            self.embedding.weight = self.head.weight

    def forward(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return logits of the token after each position, or after the N `positions` only.

        `positions` [N] index the flattened [B * T]; the logits are then [N, vocabulary].
        """
        return self._logits(self._encode(tokens), positions)

    def _encode(self, tokens: Tensor) -> Tensor:
        """Return the blocks' output [B, T, D] for tokens [B, T]."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return x

    def _logits(self, x: Tensor, positions: Tensor | None) -> Tensor:
        """Return the logits of x [B, T, D], or of the `positions` in it only."""
        if positions is not None:
            x = x.flatten(0, 1).index_select(0, positions)  # [N, D]
        return self.head(self.norm(x))


def seeded_model(
    mixer: MixerFactory, scale: Scale, width: Width, seed: int, model_class: type[LanguageModel] = LanguageModel
) -> LanguageModel:
    """Return a model on the scale's device whose tensors depend only on the seed."""
    reseed(seed)
    return model_class(mixer, scale.shape, width).to(scale.device)


def count_parameters(module: nn.Module) -> int:
    """Return the number of trainable scalars; shared ones count once."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def match_width(mixer: MixerFactory, shape: Shape) -> Width:
    """Return the width that meets the budget with the scale's own d_model, or with the next smaller one that can.

    If even the smallest exceeds the budget, return that one; `Shape.is_matched` tells the two cases apart.
    """
    step = 8 * shape.n_heads
    for d_model in range(shape.d_model, 0, -step):
        width = _match_hidden(mixer, shape, d_model)
        if shape.is_matched(width.parameters) or d_model <= step:
            return width
    raise AssertionError("d_model is at least one step")


def _match_hidden(mixer: MixerFactory, shape: Shape, d_model: int) -> Width:
    """Return the width at a given d_model whose MLP comes nearest to the budget."""
    with torch.random.fork_rng(devices=[]):
        smallest = count_parameters(LanguageModel(mixer, shape, Width(d_model, WIDTH_MULTIPLE, 0)))
    per_unit = 3 * d_model * shape.layers
    more = WIDTH_MULTIPLE * round((shape.parameters - smallest) / per_unit / WIDTH_MULTIPLE)
    hidden = max(WIDTH_MULTIPLE, more + WIDTH_MULTIPLE)
    return Width(d_model, hidden, smallest + per_unit * (hidden - WIDTH_MULTIPLE))
