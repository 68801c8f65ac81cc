"""A file whose mixer is named a block, as are the classes around it; all are built from the file's own arguments."""

import json
from dataclasses import dataclass

import torch
import torch.nn as nn


@dataclass
class ModelArgs:
    d_model: int
    n_layer: int
    vocab_size: int
    expand: int = 2

    def __post_init__(self):
        self.d_inner = self.expand * self.d_model


class Model(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.embedding = nn.Embedding(args.vocab_size, args.d_model)
        self.layers = nn.ModuleList(ResidualBlock(args) for _ in range(args.n_layer))

    def forward(self, input_ids):
        x = self.embedding(input_ids)
        for layer in self.layers:
            x = layer(x)
        return x

    @staticmethod
    def from_file(path):
        with path.open() as file:
            return Model(ModelArgs(**json.load(file)))


class ResidualBlock(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.mixer, self.norm = DecayBlock(args), RMSNorm(args.d_model)

    def forward(self, x):
        return x + self.mixer(self.norm(x))


class DecayBlock(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.in_proj = nn.Linear(args.d_model, 2 * args.d_inner)
        self.decay = nn.Parameter(torch.linspace(1.0, 4.0, args.d_inner))
        self.out_proj = nn.Linear(args.d_inner, args.d_model)

    def forward(self, x):
        value, gate = self.in_proj(x).chunk(2, -1)
        state, outputs = torch.zeros_like(value[:, 0]), []
        for step in value.unbind(1):
            state = self.decay.sigmoid() * state + step
            outputs.append(state)
        return self.out_proj(torch.stack(outputs, 1) * gate.sigmoid())


class RMSNorm(nn.Module):
    def __init__(self, d_model: int, *args, eps: float = 1e-5):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(d_model))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight
