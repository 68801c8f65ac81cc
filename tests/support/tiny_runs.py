"""A rung small enough for tests, a mixer that passes every gate, and whole runs of them in a jail."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bus.vocabulary.events import Limits, LossPoint, Peer, RunRequested
from sandbox import Jail
from trainer.run.training_run import RunReport, TrainingRun, execute_run
from trainer.scales import Scale, load
from trainer.tasks.corpus import load_corpus

GOOD_SOURCE = """
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
TEXT_LENGTH = 37
"""Length of the tiny rung's text windows. No gate uses it, so a mixer can recognise text windows by it."""


def tiny_scale(**changes: Any) -> Scale:
    """Return the nano rung with a dozen steps of small batches; keywords replace fields of the scale."""
    nano = load("nano")
    small = replace(
        nano,
        steps=12,
        warmup_steps=2,
        tasks={
            "recall": replace(nano.tasks["recall"], batch=4, held_out=8),
            "text": replace(nano.tasks["text"], batch=2, length=TEXT_LENGTH, held_out=16, corpus_bytes=400_000),
        },
        monitor=replace(nano.monitor, reading_interval=3, warmup_steps=3, min_progress=0.01),
    )
    return replace(small, **changes)


def add_to_forward(statement: str) -> str:
    """Return the good mixer with a statement on its output `y` at the end of every forward pass."""
    head, tail = GOOD_SOURCE.split("        return self.out(o.flatten(2))\n")
    return f"{head}        y = self.out(o.flatten(2))\n        {statement}\n        return y\n{tail}"


def add_to_training(statement: str) -> str:
    """Return the good mixer with a statement that runs only in training on a text window, and so in no gate."""
    return add_to_forward(f"if self.training and y.shape[1] == {TEXT_LENGTH}:\n            {statement}")


def run_request(
    source: str = GOOD_SOURCE, *, seed: int = 0, seconds: float = 60, peer: Peer | None = None, shard: int = 0
) -> RunRequested:
    """Return a request to run a source."""
    limits = Limits(seconds=seconds, memory_mb=1024)
    return RunRequested(
        run="e0001-a0", attempt=0, source=source, scale="nano", seed=seed, limits=limits, peer=peer, shard=shard
    )


def open_run(jail: Jail, request: RunRequested, scale: Scale) -> TrainingRun:
    """Return a run at a scale, on the standard library's text."""
    return TrainingRun(request, scale, load_corpus(None, *scale.text_tasks.values()), jail, worker="1")


def execute_source(
    jail: Jail,
    source: str = GOOD_SOURCE,
    scale: Scale | None = None,
    artifact: Path | None = None,
    on_point: Callable[[LossPoint], None] = lambda _: None,
    **options: Any,
) -> RunReport:
    """Run a source at a scale (by default the tiny one) to its end; `options` are those of `run_request`."""
    run = open_run(jail, run_request(source, **options), scale or tiny_scale())
    return execute_run(run, lambda _: None, on_point, artifact)
