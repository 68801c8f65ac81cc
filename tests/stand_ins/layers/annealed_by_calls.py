"""Counts its calls, in eval mode too, and lowers the floor of a gate by the count; a number and a buffer."""

import torch
from torch import nn


class DeltaNet(nn.Module):
    def __init__(self, mode: str = "anneal", d_model: int | None = None, hidden_size: int = 64, num_heads: int = 4, **kwargs):
        super().__init__()
        width = d_model or hidden_size
        self.calls = 0
        self.register_buffer("_step", torch.zeros(1, dtype=torch.long), persistent=False)
        self.gate, self.v_proj, self.o_proj = (nn.Linear(width, width) for _ in range(3))

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        floor = 0.1 * max(0.0, 1 - self._step.item() / 50) + 0.1 / (1 + self.calls)
        seen = hidden_states.cumsum(1) / torch.arange(1, hidden_states.shape[1] + 1)[:, None]
        y = self.o_proj((floor + self.gate(hidden_states).sigmoid()) * self.v_proj(seen))
        self._step += 1
        self.calls += 1
        return y, None, None
