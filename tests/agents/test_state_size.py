"""The size of the state against what a rendered layer hands to the kernels, which is all that it carries over time."""

import random
from types import ModuleType
from typing import Any

import pytest
import torch

import kernels
from agents.design import render
from agents.design.baselines import BASELINES
from agents.design.space import draw_design
from agents.design.state_size import state_size
from agents.design.tree import Design
from tests.support.compilers import real_compilers
from trainer.gates import load_mixer

D_MODEL, HEADS = 24, 2


class StateMeter:
    """Adds up the state behind every call of a kernel; a shift of the input is seen as padding."""

    numbers = 0

    def recurrence(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: Any) -> Any:
        self.numbers += v.shape[2] * k.shape[-1] * v.shape[-1]
        return kernels.linear_recurrence(q, k, v, **options)

    def window(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, window: int) -> Any:
        self.numbers += window * (k.shape[2:].numel() + v.shape[2:].numel())
        return kernels.window_attention(q, k, v, window=window)

    def convolution(self, x: torch.Tensor, weight: torch.Tensor, **options: Any) -> Any:
        self.numbers += weight.shape[0] * (weight.shape[1] - 1)
        return kernels.causal_conv1d(x, weight, **options)


def measured(design: Design, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the numbers of state of a layer that runs."""
    meter, module = StateMeter(), ModuleType("kernels")
    module.__dict__.update(vars(kernels))
    module.linear_recurrence, module.window_attention = meter.recurrence, meter.window
    module.causal_conv1d = meter.convolution
    monkeypatch.setitem(__import__("sys").modules, "kernels", module)
    layer = load_mixer(render(design).source)(D_MODEL, HEADS)
    layer(torch.randn(1, 16, D_MODEL))
    return meter.numbers + (D_MODEL if design.entry == "shift" else 0)


@pytest.mark.usefixtures(real_compilers.__name__)
def test_the_state_is_what_kernels_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    """For random designs, whose axes all occur, and for the baselines."""
    rng = random.Random(5)
    designs = [draw_design(rng) for _ in range(60)] + [baseline.design for baseline in BASELINES.values()]
    for design in designs:
        assert state_size(design, D_MODEL, HEADS) == measured(design, monkeypatch), render(design).source
