"""A window of attention for what is near and a gated memory for the rest, chosen by a gate; built from a configuration."""

from dataclasses import dataclass

import torch
from torch import nn

import fla.layers
from fla.layers.attn import Attention
from fla.modules import RMSNorm


@dataclass
class NearAndFarConfig:
    d_model: int = 768
    n_heads: int = 12
    window: int = 16
    far: str = "gla"
    norm_eps: float = 1e-6


class NearAndFar(nn.Module):
    def __init__(self, cfg: NearAndFarConfig, layer_idx: int = 0):
        super().__init__()
        built = {
            "gla": fla.layers.GatedLinearAttention,
            "retention": fla.layers.MultiScaleRetention,
            "delta": fla.layers.DeltaNet,
        }
        shape = dict(hidden_size=cfg.d_model, num_heads=cfg.n_heads, layer_idx=layer_idx)
        self.near = Attention(window_size=cfg.window, **shape)
        self.far = built[cfg.far](**shape)
        self.norm, self.between = RMSNorm(cfg.d_model, eps=cfg.norm_eps), nn.Linear(cfg.d_model, 1)

    def forward(self, x: torch.Tensor, attention_mask=None, **kwargs):
        x = self.norm(x)
        (near, *_), (far, *_) = self.near(x, attention_mask), self.far(x, attention_mask)
        return torch.lerp(near, far, self.between(x).sigmoid()), None, None
