"""A file whose modules, the layer included, are built from the file's own configuration."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class MixerConfig:
    hidden_size: int
    num_attention_heads: int
    num_hidden_layers: int = 2
    intermediate_size: int = 4096
    eps: float = 1e-6


class FeedForward(nn.Module):
    def __init__(self, config: MixerConfig):
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x):
        return self.down(self.up(x).relu())


class MeanMixer(nn.Module):
    def __init__(self, config: "MixerConfig", layer_idx: int = 0):
        super().__init__()
        self.heads = config.num_attention_heads
        self.v_proj, self.o_proj = (nn.Linear(config.hidden_size, config.hidden_size) for _ in range(2))
        self.ffn = FeedForward(config)
        self.depth = (layer_idx + 1) / config.num_hidden_layers
        self.norm = nn.LayerNorm(config.hidden_size // self.heads, eps=config.eps)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        seen = torch.arange(1, hidden_states.shape[1] + 1)[:, None]
        v = self.v_proj(hidden_states).cumsum(1) / seen
        v = self.norm(v.unflatten(-1, (self.heads, -1))).flatten(-2)
        return self.ffn(self.o_proj(v) * self.depth), None


class MixerDecoderLayer(nn.Module):
    def __init__(self, config: MixerConfig, layer_idx: int):
        super().__init__()
        self.mixer = MeanMixer(config, layer_idx)

    def forward(self, hidden_states, attention_mask=None):
        return hidden_states + self.mixer(hidden_states, attention_mask)[0]
