"""A layer built from a configuration that the file does not define."""

import torch
from torch import nn
from transformers import PretrainedConfig


class DecayMixer(nn.Module):
    def __init__(self, config: PretrainedConfig, layer_idx=None):
        super().__init__()
        self.heads, self.width = config.num_attention_heads, config.head_dim
        self.v_proj = nn.Linear(config.hidden_size, self.heads * self.width, bias=config.attention_bias)
        self.o_proj = nn.Linear(self.heads * self.width, config.hidden_size, bias=False)
        self.dropout = nn.Dropout(config.attention_dropout)

    def forward(self, hidden_states, attention_mask=None):
        v, state, out = self.v_proj(hidden_states), 0.0, []
        for value in v.unbind(1):
            state = 0.9 * state + value
            out.append(state)
        return {"hidden_states": self.dropout(self.o_proj(torch.stack(out, 1)))}
