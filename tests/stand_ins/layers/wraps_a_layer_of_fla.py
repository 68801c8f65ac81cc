"""A residual layer around one of fla's own, which it imports in its constructor, with autocast."""

import torch
from torch import nn


class _Through(nn.Module):
    """Hand x through somebody else's layer, whatever comes back with the output."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        with torch.autocast(device_type=x.device.type, dtype=torch.bfloat16):
            result = self.layer(x)
        return (result[0] if isinstance(result, tuple) else result).to(x.dtype)


class ResidualDelta(nn.Module):
    def __init__(self, d_model: int, n_heads: int, d_head: int, window: int = 4, norm_eps: float = 1e-5):
        from fla.layers.gated_deltanet import GatedDeltaNet as Inner

        super().__init__()
        assert d_model == n_heads * d_head
        self.through = _Through(
            Inner(hidden_size=d_model, num_heads=n_heads, head_dim=d_head, expand_v=1, conv_size=window, norm_eps=norm_eps)
        )
        self.share = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None, *, need_weights: bool = False):
        return torch.lerp(self.through(x), x, self.share.sigmoid()), None
