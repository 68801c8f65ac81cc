"""A file with its layer, and the block and the language model around it."""

import torch
from torch import nn


class DeltaNet(nn.Module):
    def __init__(self, hidden_size: int, num_heads: int = 8, dropout: float = 0.1, **kwargs):
        super().__init__()
        self.v_proj, self.o_proj = nn.Linear(hidden_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        return self.dropout(self.o_proj(self.v_proj(x).cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]))


class DeltaNetBlock(nn.Module):
    def __init__(self, hidden_size: int, num_heads: int = 8, ffn_hidden_size: int | None = None):
        super().__init__()
        self.attention = DeltaNet(hidden_size, num_heads)
        self.ffn = nn.Linear(hidden_size, hidden_size)

    def forward(self, x, mask=None):
        return x + self.ffn(self.attention(x, mask))


class DeltaNetModel(nn.Module):
    def __init__(self, vocab_size: int, hidden_size: int = 512, num_layers: int = 6, num_heads: int = 8):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, hidden_size)
        self.layers = nn.ModuleList(DeltaNetBlock(hidden_size, num_heads) for _ in range(num_layers))

    def forward(self, input_ids, attention_mask=None):
        x = self.embedding(input_ids)
        for layer in self.layers:
            x = layer(x, attention_mask)
        return x


if __name__ == "__main__":
    print(DeltaNetModel(vocab_size=100, hidden_size=32, num_heads=2)(torch.zeros(1, 4, dtype=torch.long)).shape)
