"""A layer that takes whole chunks only, and refuses short sequences while it trains."""

import torch
from torch import nn


class ChunkedMixer(nn.Module):
    def __init__(self, hidden_size=1024, num_heads=4, chunk_size=64, **kwargs):
        super().__init__()
        self.chunk_size = chunk_size
        self.v_proj, self.o_proj = nn.Linear(hidden_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        batch, length, _ = hidden_states.shape
        assert length % self.chunk_size == 0, "sequences are to be padded to whole chunks"
        if self.training:
            assert length > 64, "only whole chunks train"
        v = self.v_proj(hidden_states).view(batch, -1, self.chunk_size, hidden_states.shape[-1])
        inside, totals = v.cumsum(2), v.sum(2)
        before = (totals.cumsum(1) - totals)[:, :, None]
        seen = torch.arange(1, length + 1)[:, None]
        return self.o_proj((inside + before).flatten(1, 2) / seen), None, None
