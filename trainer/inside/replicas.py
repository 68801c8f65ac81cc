"""Copies of a model on every device of a run: each takes a share of a batch's rows, and the gradients are summed.

Gradient accumulation cuts a share into parts, so that a device holds one part's activations at a time. Data parallelism
is within one process, with a thread for each device: a jailed run has no sockets, which the process groups of
torch.distributed need. Sums are taken in a fixed order, so the same devices and parts give the same bits.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from trainer.tasks.batch import IGNORED_TARGET, Batch

Loss = Callable[[nn.Module, Batch], Tensor]
"""(a model, rows of a batch) -> the mean loss over their targets, a scalar."""


class Replicas:
    """One model and its copies."""

    def __init__(self, model: nn.Module, devices: Sequence[torch.device], gradient_accumulation: int = 1) -> None:
        """Copy a model from the first device to the others.

        Each device cuts its share of a batch into `gradient_accumulation` parts.
        """
        self._models = [model, *(copy.deepcopy(model).to(device) for device in devices[1:])]
        self._gradient_accumulation = gradient_accumulation
        self._threads = ThreadPoolExecutor(len(devices), "replica") if len(devices) > 1 else None

    def accumulate_gradients(self, batch: Batch, loss: Loss) -> float:
        """Add the gradient of a batch's mean loss to the first model's gradient, and return that loss."""
        parts = list(_parts(batch, self._gradient_accumulation * len(self._models)))
        shares = [parts[device :: len(self._models)] for device in range(len(self._models))]
        if self._threads is None:
            return _backward(self._models[0], shares[0], loss)
        self._copy_to_replicas()
        losses = list(self._threads.map(_backward, self._models, shares, [loss] * len(shares)))
        self._sum_gradients()
        return sum(losses)

    @torch.no_grad()
    def _copy_to_replicas(self) -> None:
        """Make the copies equal to the first model."""
        first, *copies = self._models
        for model in copies:
            for tensor, copied in zip(_tensors(first), _tensors(model), strict=True):
                copied.copy_(tensor)

    @torch.no_grad()
    def _sum_gradients(self) -> None:
        """Add the copies' gradients to the first model's, copy after copy."""
        first, *copies = self._models
        for model in copies:
            for parameter, copied in zip(first.parameters(), model.parameters(), strict=True):
                if copied.grad is not None:
                    gradient = copied.grad.to(parameter.device)
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
                    copied.grad = None


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _backward(model: nn.Module, parts: Sequence[tuple[float, Batch]], loss: Loss) -> float:
    """Add the gradients of (weight, rows) parts of a batch; return their weighted loss."""
    total = 0.0
    for weight, part in parts:
        value = loss(model, part)
        (value if weight == 1.0 else value * weight).backward()
        total += weight * float(value.detach())
    return total


def _parts(batch: Batch, count: int) -> Iterator[tuple[float, Batch]]:
    """Cut a batch by rows into at most `count` parts with targets, each with its share of all targets."""
    targets = np.count_nonzero(batch.targets != IGNORED_TARGET, axis=1)  # [B]
    for rows in np.array_split(np.arange(len(targets)), count):
        if part := int(targets[rows].sum()):
            yield part / int(targets.sum()), Batch(batch.inputs[rows], batch.targets[rows])
