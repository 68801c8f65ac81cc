# -*- coding: utf-8 -*-
# "HGRN2: Gated Linear RNNs with State Expansion"[https://arxiv.org/abs/2404.07904]

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from fla.modules import RMSNorm, ShortConvolution
from fla.modules.activations import swish

if TYPE_CHECKING:
    from fla.models.utils import Cache


class HGRN2Attention(nn.Module):

    def __init__(
        self,
        mode: str = 'chunk',
        hidden_size: int = 1024,
        num_heads: Optional[int] = None,
        expand_ratio: Optional[int] = 16,
        use_short_conv: bool = False,
        conv_size: int = 4,
        conv_bias: bool = False,
        elementwise_affine: Optional[bool] = True,
        norm_eps: float = 1e-5,
        layer_idx: int = None
    ) -> HGRN2Attention:
        super().__init__()
        self.mode = mode
        self.hidden_size = hidden_size
        if expand_ratio is None and num_heads is not None:
            expand_ratio = hidden_size // num_heads
        elif expand_ratio is not None and num_heads is None:
            num_heads = hidden_size // expand_ratio
        elif expand_ratio is None and num_heads is None:
            raise RuntimeError("One of `expand_ratio` or `num_heads` should be provided.")
        self.num_heads = num_heads
        self.expand_ratio = expand_ratio
        self.use_short_conv = use_short_conv
        self.forget_dim = int(self.num_heads * self.expand_ratio)
        self.input_dim = hidden_size
        self.layer_idx = layer_idx
        assert mode in ['chunk', 'fused_recurrent', 'fused_chunk'], f"Not suppoerted mode `{mode}`."
        assert self.forget_dim % num_heads == 0, f"forget dim must be divisible by num_heads of {num_heads}"
        self.head_f_dim = self.expand_ratio
        self.head_i_dim = self.hidden_size // num_heads
        self.q_proj = nn.Linear(hidden_size, self.forget_dim, bias=False)
        self.f_proj = nn.Linear(hidden_size, self.forget_dim, bias=False)
        self.i_proj = nn.Linear(hidden_size, self.input_dim, bias=False)
        self.g_norm = RMSNorm(hidden_size=self.hidden_size, elementwise_affine=elementwise_affine, eps=norm_eps)
        self.o_proj = nn.Linear(self.input_dim, hidden_size, bias=False)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: Optional[torch.Tensor] = None,
        past_key_values: Optional[Cache] = None,
        use_cache: Optional[bool] = False,
        output_attentions: Optional[bool] = False,
        lower_bound: Optional[torch.Tensor] = None,
        **kwargs
    ) -> Tuple[torch.Tensor, Optional[torch.Tensor], Optional[Cache]]:
        q, f, i = self.q_proj(hidden_states), self.f_proj(hidden_states), self.i_proj(hidden_states)
        if attention_mask is not None:
            i = i.mul(attention_mask[:, -i.shape[-2]:, None])
        q = swish(q)
        if lower_bound is None or self.layer_idx == 0:
            k, g = 1 - f.sigmoid(), F.logsigmoid(f)
        else:
            g = lower_bound + (1 - lower_bound) * f.sigmoid()
            k, g = 1 - g, g.log()
        q, k, g, i = (rearrange(x, '... (h d) -> ... h d', h=self.num_heads) for x in (q, k.to(i), g, i))
        last_state = past_key_values[self.layer_idx] if past_key_values is not None and len(past_key_values) > self.layer_idx else None
        S = last_state['recurrent_state'] if last_state is not None else q.new_zeros(
            q.shape[0], self.num_heads, self.head_f_dim, self.head_i_dim
        )
        decay = g.exp()
        o = []
        for t in range(q.shape[1]):
            S = decay[:, t].unsqueeze(-1) * S + k[:, t].unsqueeze(-1) * i[:, t].unsqueeze(-2)
            o.append((q[:, t].unsqueeze(-2) @ S).squeeze(-2))
        if past_key_values is not None:
            past_key_values.update(recurrent_state=S, layer_idx=self.layer_idx, offset=q.shape[1])
        o = rearrange(torch.stack(o, 1), '... h d -> ... (h d)')
        return self.o_proj(self.g_norm(o)), None, past_key_values
