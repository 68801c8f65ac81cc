"""A model on every device of a run: each takes its share of a batch's rows, piece after piece; gradients are summed.

Pieces are gradient accumulation: a batch that no memory holds is worked through in parts. Devices are data parallelism
in one process, a thread for each: a jailed run has no sockets, which the process groups of torch.distributed would
need. Sums are taken in a fixed order, so the same devices and pieces give the same bits.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from trainer.tasks.batch import IGNORED_TARGET, Batch

Loss = Callable[[nn.Module, Batch], Tensor]
"""(a model, rows of a batch) -> their mean loss over the targets that are asked, a scalar."""


class Replicas:
    """One model and its copies."""

    def __init__(self, model: nn.Module, devices: Sequence[torch.device], pieces: int = 1) -> None:
        """Copy a model, which lies on the first device, to the others; each works through `pieces` parts of a batch."""
        self._models = [model, *(copy.deepcopy(model).to(device) for device in devices[1:])]
        self._pieces = pieces
        self._threads = ThreadPoolExecutor(len(devices), "replica") if len(devices) > 1 else None

    def gradients(self, batch: Batch, loss: Loss) -> float:
        """Add the gradient of a batch's mean loss to the first model's, and return that loss."""
        parts = list(_parts(batch, self._pieces * len(self._models)))
        shares = [parts[place :: len(self._models)] for place in range(len(self._models))]
        if self._threads is None:
            return _backward(self._models[0], shares[0], loss)
        self._spread()
        losses = list(self._threads.map(_backward, self._models, shares, [loss] * len(shares)))
        self._gather()
        return sum(losses)

    @torch.no_grad()
    def _spread(self) -> None:
        """Make the copies equal to the first model."""
        first, *copies = self._models
        for other in copies:
            for ours, theirs in zip(_tensors(first), _tensors(other), strict=True):
                theirs.copy_(ours)

    @torch.no_grad()
    def _gather(self) -> None:
        """Add the copies' gradients to the first model's, copy after copy."""
        first, *copies = self._models
        for other in copies:
            for ours, theirs in zip(first.parameters(), other.parameters(), strict=True):
                if theirs.grad is not None:
                    moved = theirs.grad.to(ours.device)
                    ours.grad = moved if ours.grad is None else ours.grad.add_(moved)
                    theirs.grad = None


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    """Every parameter and buffer."""
    yield from model.parameters()
    yield from model.buffers()


def _backward(model: nn.Module, parts: Sequence[tuple[float, Batch]], loss: Loss) -> float:
    """Add the gradients of parts of a batch, each weighing by its share of the targets; return their weighed loss."""
    total = 0.0
    for weight, part in parts:
        value = loss(model, part)
        (value if weight == 1.0 else value * weight).backward()
        total += weight * float(value.detach())
    return total


def _parts(batch: Batch, count: int) -> Iterator[tuple[float, Batch]]:
    """Cut a batch by rows into at most `count` parts, each with its share of the targets that are asked."""
    asked = np.count_nonzero(batch.targets != IGNORED_TARGET, axis=1)  # [B]
    for rows in np.array_split(np.arange(len(asked)), count):
        if part := int(asked[rows].sum()):
            yield part / int(asked.sum()), Batch(batch.inputs[rows], batch.targets[rows])
