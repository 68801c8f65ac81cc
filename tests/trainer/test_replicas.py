"""A batch worked through in pieces, and on several devices, gives the gradient of the whole batch."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.tiny_runs import tiny
from trainer.inside.loop import cross_entropy
from trainer.inside.replicas import Replicas
from trainer.tasks.batch import IGNORED_TARGET, Batch

CPU = torch.device("cpu")
SCALE = tiny()


class Model(nn.Module):
    """Two layers, and a buffer that every copy has to know."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.head = nn.Embedding(11, 8), nn.Linear(8, 11)
        self.register_buffer("shift", torch.zeros(8))

    def forward(self, tokens: torch.Tensor, asked: torch.Tensor | None = None) -> torch.Tensor:
        x = self.embedding(tokens) + self.shift
        return self.head(x if asked is None else x.flatten(0, 1)[asked])


def batch() -> Batch:
    """Return seven sequences of which some rows ask little and one asks nothing."""
    rng = np.random.default_rng(0)
    inputs, targets = rng.integers(0, 11, (2, 7, 5))
    targets[1, 1:] = IGNORED_TARGET
    targets[4] = IGNORED_TARGET
    return Batch(inputs, targets)


def gradients(devices: int, pieces: int) -> tuple[float, list[torch.Tensor]]:
    model = Model()
    replicas = Replicas(model, [CPU] * devices, pieces)
    with torch.no_grad():
        model.shift.fill_(0.5)  # after the copies were made
    loss = replicas.gradients(batch(), lambda copy, part: cross_entropy(copy, part, SCALE))
    return loss, [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize(("devices", "pieces"), [(1, 3), (1, 100), (2, 1), (3, 2)])
def test_pieces_and_devices_change_nothing_but_rounding(devices: int, pieces: int):
    """Each target weighs the same, however the rows fall."""
    whole, expected = gradients(1, 1)
    loss, found = gradients(devices, pieces)
    assert loss == pytest.approx(whole, rel=1e-6)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-7)


def test_the_same_cut_gives_the_same_bits():
    """Threads may end in any order; sums are taken in one."""
    first, again = (gradients(3, 2)[1] for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
