"""A batch that is cut into parts and shared among devices gives the gradient of the whole batch."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.tiny_runs import tiny_scale
from trainer.inside.loop import cross_entropy
from trainer.inside.replicas import Replicas
from trainer.tasks.batch import IGNORED_TARGET, Batch

CPU = torch.device("cpu")
SCALE = tiny_scale()


class TinyModel(nn.Module):
    """Two layers, and a buffer that every copy needs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.head = nn.Embedding(11, 8), nn.Linear(8, 11)
        self.register_buffer("shift", torch.zeros(8))

    def forward(self, tokens: torch.Tensor, positions: torch.Tensor | None = None) -> torch.Tensor:
        x = self.embedding(tokens) + self.shift
        return self.head(x if positions is None else x.flatten(0, 1)[positions])


def batch() -> Batch:
    """Return seven sequences; one of them has a single target, and one has none."""
    rng = np.random.default_rng(0)
    inputs, targets = rng.integers(0, 11, (2, 7, 5))
    targets[1, 1:] = IGNORED_TARGET
    targets[4] = IGNORED_TARGET
    return Batch(inputs, targets)


def gradients(devices: int, parts: int) -> tuple[float, list[torch.Tensor]]:
    model = TinyModel()
    replicas = Replicas(model, [CPU] * devices, parts)
    with torch.no_grad():
        model.shift.fill_(0.5)  # after the copies are made
    loss = replicas.accumulate_gradients(batch(), lambda copy, part: cross_entropy(copy, part, SCALE))
    return loss, [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize(("devices", "parts"), [(1, 3), (1, 100), (2, 1), (3, 2)])
def test_parts_and_devices_change_only_rounding(devices: int, parts: int):
    """Each target has the same weight, whatever the size of its part."""
    expected_loss, expected_gradients = gradients(1, 1)
    loss, actual_gradients = gradients(devices, parts)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for actual, expected in zip(actual_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-7)


def test_the_same_cut_gives_the_same_bits():
    """Threads may end in any order; the order of the sums is fixed."""
    pairs = zip(gradients(3, 2)[1], gradients(3, 2)[1], strict=True)
    assert all(torch.equal(gradient, repetition) for gradient, repetition in pairs)
