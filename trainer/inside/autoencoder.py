"""The model of the compression task: the candidate's blocks press a sequence into one vector, a small MLP unfolds it.

As published (arXiv 2403.17844), the vector is what the blocks give at the last position; each position's logits come
from that vector and a sinusoid of the position, through two layers that know nothing else of the sequence.
"""

import torch
from torch import Tensor, nn

from trainer.candidate.adapter import MixerFactory
from trainer.inside.model import LanguageModel, Width, seeded_model
from trainer.scales import Scale, Shape
from trainer.tasks.kinds import Compression, Task

MAX_WAVELENGTH = 10_000.0
"""Longest wave of the sinusoids, over 2π."""


class AutoEncoder(LanguageModel):
    """Tokens [B, T] to logits [B, T, vocabulary] of the same tokens."""

    def __init__(self, mixer: MixerFactory, shape: Shape, width: Width) -> None:
        """Build the blocks as ever, then the decoder, which the parameter budget doesn't count."""
        super().__init__(mixer, shape, width)
        d = width.d_model
        self.decoder = nn.Sequential(
            nn.RMSNorm(d), nn.Linear(d, d), nn.GELU(), nn.RMSNorm(d), nn.Linear(d, d), nn.GELU()
        )

    def forward(self, tokens: Tensor, asked: Tensor | None = None) -> Tensor:
        """Return logits of the token at each position, or at the N `asked` ones, as `LanguageModel` does."""
        pressed = self._encoded(tokens)[:, -1:]  # [B, 1, D]
        places = sinusoids(tokens.shape[1], pressed.shape[2]).to(pressed)  # [T, D]
        return self._logits(self.decoder(pressed + places), asked)


def sinusoids(length: int, d_model: int) -> Tensor:
    """Return sines and cosines of the positions [length, d_model] at geometrically spaced wavelengths."""
    half = d_model // 2
    speed = MAX_WAVELENGTH ** -(torch.arange(half) / max(half - 1, 1))
    angles = torch.arange(length)[:, None] * speed  # [T, D / 2]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def model_of(task: Task, mixer: MixerFactory, scale: Scale, width: Width, seed: int) -> LanguageModel:
    """Build the model that a task is tried on: an autoencoder for compression, a language model for all others."""
    return seeded_model(mixer, scale, width, seed, AutoEncoder if isinstance(task, Compression) else LanguageModel)
