"""A gate with exact zeros between a decaying memory and the present; arguments are named as Python's builtins."""

import torch
from fla.modules import RMSNorm
from torch import nn


def sparsemax(input: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Project onto the simplex (arXiv 1602.02068)."""
    sorted_, _ = input.sort(dim=dim, descending=True)
    steps = torch.arange(1, input.size(dim) + 1, device=input.device, dtype=input.dtype)
    within = 1 + steps * sorted_ > sorted_.cumsum(dim)
    size = within.sum(dim, keepdim=True)
    edge = (sorted_.cumsum(dim).gather(dim, size - 1) - 1) / size
    return (input - edge).clamp_min(0)


class SparseGateMixer(nn.Module):
    def __init__(self, *, d_model: int = 1024, num_heads: int = 4, compile: bool = False, scales: int = 3, **kwargs):
        super().__init__()
        self.num_heads, self.compiled = num_heads, compile
        self.v_proj, self.o_proj = nn.Linear(d_model, d_model), nn.Linear(d_model, d_model)
        self.decays = nn.ModuleList(nn.Linear(d_model, num_heads) for _ in range(scales))
        self.gate = nn.Linear(d_model, num_heads * (scales + 1))
        self.log_temperature = nn.Parameter(torch.zeros(num_heads))
        self.norm = RMSNorm(d_model // num_heads)
        self.last_gate = None

    def forward(self, hidden_states, attention_mask=None, past_key_values=None, *, use_cache=False, **kwargs):
        v = self.v_proj(hidden_states).unflatten(-1, (self.num_heads, -1))
        paths = [v]
        for proj in self.decays:
            state, outputs = torch.zeros_like(v[:, 0]), []
            for decay, value in zip(proj(hidden_states).sigmoid().unbind(1), v.unbind(1)):
                state = decay[..., None] * state + (1 - decay[..., None]) * value
                outputs.append(state)
            paths.append(torch.stack(outputs, 1))
        logits = self.gate(hidden_states).unflatten(-1, (self.num_heads, -1))
        weights = sparsemax(logits / self.log_temperature.exp()[:, None])
        self.last_gate = weights.mean() if self.training else None
        o = (torch.stack(paths, -1) * weights[..., None, :]).sum(-1)
        return self.o_proj(self.norm(o).flatten(-2)), self.last_gate, past_key_values
