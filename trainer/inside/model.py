"""The small language model around a candidate, and the width that makes all of them the same size.

Embedding, blocks of pre-norm mixer and pre-norm gated MLP, norm, head. A mixer with more parameters of its own gets a
narrower MLP, so that candidates are compared at one parameter budget; the state size, which d_model and the heads fix,
stays the same unless the mixer alone is too big for the budget.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.candidate.adapter import MixerFactory
from trainer.gates.subject import reseed
from trainer.scales import Scale, Shape

TOLERANCE = 0.05
"""Relative distance to the parameter budget that counts as matched."""
WIDTH_MULTIPLE = 4
"""MLP widths are multiples of this."""


@dataclass(frozen=True)
class Width:
    """What the harness chose."""

    d_model: int
    """Width of the model."""
    hidden: int
    """Width of the gated MLP."""
    parameters: int
    """Trainable parameters that result."""

    def says(self, shape: Shape) -> str:
        """Return the choice in words, for the record."""
        gap = self.parameters / shape.parameters - 1
        return (
            f"d_model {self.d_model}, MLP {self.hidden}: {self.parameters} parameters, {gap:+.1%} of {shape.parameters}"
        )


class FeedForward(nn.Module):
    """down(silu(gate) * up), arXiv 2002.05202."""

    def __init__(self, d_model: int, hidden: int) -> None:
        """Make the two projections."""
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
        """Take the mixer as it is."""
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
    """Tokens [B, T] to logits [B, T, vocabulary], or to those of some positions only."""

    def __init__(self, mixer: MixerFactory, shape: Shape, width: Width) -> None:
        """Build every block anew; the global generator has to be seeded by the caller."""
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

    def forward(self, tokens: Tensor, asked: Tensor | None = None) -> Tensor:
        """Return logits over the vocabulary for the token after each position, or after the N `asked` ones.

        `asked` are places in the flattened [B * T]; the logits are then [N, vocabulary].
        """
        return self._logits(self._encoded(tokens), asked)

    def _encoded(self, tokens: Tensor) -> Tensor:
        """Return what the blocks make of tokens [B, T]: [B, T, D]."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return x

    def _logits(self, x: Tensor, asked: Tensor | None) -> Tensor:
        """Return the logits of x [B, T, D], or of the `asked` places in it."""
        if asked is not None:
            x = x.flatten(0, 1).index_select(0, asked)  # [N, D]
        return self.head(self.norm(x))


def seeded_model(
    mixer: MixerFactory, scale: Scale, width: Width, seed: int, form: type[LanguageModel] = LanguageModel
) -> LanguageModel:
    """Build a model whose tensors depend on the seed alone, on the scale's device."""
    reseed(seed)
    return form(mixer, scale.shape, width).to(scale.device)


def count_parameters(module: nn.Module) -> int:
    """Return the number of trainable scalars, shared ones once."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def match_width(mixer: MixerFactory, shape: Shape) -> Width:
    """Return the width nearest to the budget: the scale's own d_model, or the next smaller one that fits.

    Where even the smallest is above the budget, that one is returned; `is_matched` tells.
    """
    grain = 8 * shape.n_heads
    for d_model in range(shape.d_model, 0, -grain):
        width = _hidden_for(mixer, shape, d_model)
        if is_matched(width, shape) or d_model <= grain:
            return width
    raise AssertionError("d_model is at least one grain")


def is_matched(width: Width, shape: Shape) -> bool:
    """Whether a width meets the budget within the tolerance."""
    return abs(width.parameters / shape.parameters - 1) <= TOLERANCE


def _hidden_for(mixer: MixerFactory, shape: Shape, d_model: int) -> Width:
    """Return the MLP width that comes nearest to the budget at a given d_model."""
    with torch.random.fork_rng(devices=[]):
        rest = count_parameters(LanguageModel(mixer, shape, Width(d_model, WIDTH_MULTIPLE, 0)))
    per_unit = 3 * d_model * shape.layers
    hidden = max(
        WIDTH_MULTIPLE, WIDTH_MULTIPLE * round((shape.parameters - rest) / per_unit / WIDTH_MULTIPLE) + WIDTH_MULTIPLE
    )
    return Width(d_model, hidden, rest + per_unit * (hidden - WIDTH_MULTIPLE))
