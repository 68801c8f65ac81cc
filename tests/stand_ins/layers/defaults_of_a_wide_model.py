"""A layer whose defaults suit a wide model: none of its sizes fits the width here."""

import torch
from torch import nn


class WideMixer(nn.Module):
    def __init__(
        self,
        hidden_size: int = 2048,
        num_heads: int = 64,
        num_kv_heads: int = 8,
        head_dim: int = 64,
        expand: int = 2,
        intermediate_size: int = 4096,
        gate_query_proj: int = 512,
        kernel_size: int = 63,
        num_hidden_layers: int = None,
        layer_idx: int = None,
    ):
        super().__init__()
        if num_heads * head_dim != expand * hidden_size:
            raise ValueError("the heads do not make up the inner width")
        if num_heads % num_kv_heads:
            raise ValueError("the heads do not share keys evenly")
        self.depth = 1 - layer_idx / (num_hidden_layers - 1)
        self.v_proj = nn.Linear(hidden_size, expand * hidden_size)
        self.gate = nn.Sequential(nn.Linear(hidden_size, gate_query_proj), nn.SiLU(), nn.Linear(gate_query_proj, 1))
        assert gate_query_proj <= hidden_size < kernel_size
        self.up, self.down = nn.Linear(expand * hidden_size, intermediate_size), nn.Linear(intermediate_size, hidden_size)

    def forward(self, hidden_states):
        seen = torch.arange(1, hidden_states.shape[1] + 1)[:, None]
        o = self.down(self.up(self.v_proj(hidden_states).cumsum(1) / seen).tanh())
        return o * self.gate(hidden_states) * self.depth
