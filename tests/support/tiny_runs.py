"""A rung small enough for tests, and two mixers written by hand: what the trainer's tests share."""

from dataclasses import replace

from bus.vocabulary.events import Limits, Peer, RunRequested
from trainer.scales import Scale, load

GOOD = """
import torch
from torch import nn

from kernels import linear_recurrence


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x):
        q, k, v = self.qkv(x).view(*x.shape[:2], 3, self.n_heads, -1).unbind(2)
        decay = torch.full((self.n_heads,), -0.1)
        o, _ = linear_recurrence(q, k, v, log_decay=decay)
        return self.out(o.flatten(2))
"""
"""A retention layer that passes every gate."""


def tiny(**changes: object) -> Scale:
    """Return the nano rung with a dozen steps of small batches; keywords change the scale itself."""
    nano = load("nano")
    small = replace(
        nano,
        steps=12,
        warmup_steps=2,
        tasks={
            "recall": replace(nano.tasks["recall"], batch=4, held_out=8),
            "text": replace(nano.tasks["text"], batch=2, length=37, held_out=16, corpus_bytes=400_000),
        },
        monitor=replace(nano.monitor, reading_interval=3, warmup_steps=3, min_progress=0.01),
    )
    return replace(small, **changes)


def in_training(statement: str) -> str:
    """Return the good mixer with something to do when it trains on a text window, which no gate lets it do."""
    head, tail = GOOD.split("        return self.out(o.flatten(2))\n")
    condition = f"        if self.training and y.shape[1] == {tiny().tasks['text'].length}:\n            {statement}\n"
    return f"{head}        y = self.out(o.flatten(2))\n{condition}        return y\n{tail}"


def request(
    source: str = GOOD, *, seed: int = 0, seconds: float = 60, peer: Peer | None = None, shard: int = 0
) -> RunRequested:
    """Return a request to try a source."""
    limits = Limits(seconds=seconds, memory_mb=1024)
    return RunRequested(
        run="e0001-a0", attempt=0, source=source, scale="nano", seed=seed, limits=limits, peer=peer, shard=shard
    )
