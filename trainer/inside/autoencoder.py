"""The model of the compression task: the candidate's blocks encode a sequence in one vector, a small MLP decodes it.

As published (arXiv 2403.17844), the vector is the blocks' output at the last position. Each position's logits come from
that vector and a sinusoid of the position, through two layers that see nothing else of the sequence.
"""

import torch
from torch import Tensor, nn

from trainer.candidate.adapter import MixerFactory
from trainer.inside.model import LanguageModel, Width, seeded_model
from trainer.scales import Scale, Shape
from trainer.tasks.kinds import Compression, Task

MAX_WAVELENGTH = 10_000.0
"""Longest wavelength of the sinusoids, in units of 2π positions."""


class AutoEncoder(LanguageModel):
    """Tokens [B, T] to logits [B, T, vocabulary] of the same tokens."""

    def __init__(self, mixer: MixerFactory, shape: Shape, width: Width) -> None:
        """Build the blocks, then the decoder, which does not count towards the parameter budget."""
        super().__init__(mixer, shape, width)
        d = width.d_model
        self.decoder = nn.Sequential(
            nn.RMSNorm(d), nn.Linear(d, d), nn.GELU(), nn.RMSNorm(d), nn.Linear(d, d), nn.GELU()
        )

    def forward(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return logits of the token at each position, or at the N `positions`, as `LanguageModel` does."""
        code = self._encode(tokens)[:, -1:]  # [B, 1, D]
        waves = sinusoids(tokens.shape[1], code.shape[2]).to(code)  # [T, D]
        return self._logits(self.decoder(code + waves), positions)


def sinusoids(length: int, d_model: int) -> Tensor:
    """Return sines and cosines [length, d_model] of the positions, at geometrically spaced wavelengths."""
    half = d_model // 2
    frequency = MAX_WAVELENGTH ** -(torch.arange(half) / max(half - 1, 1))
    angles = torch.arange(length)[:, None] * frequency  # [T, D / 2]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def build_model(task: Task, mixer: MixerFactory, scale: Scale, width: Width, seed: int) -> LanguageModel:
    """Return the model of a task: an autoencoder for compression, a language model for all others."""
    return seeded_model(mixer, scale, width, seed, AutoEncoder if isinstance(task, Compression) else LanguageModel)
