"""The state of a training as arrays, in the jail: from it, training resumes at a step without any difference.

It holds every task's parameters, buffers and optimiser state, and the states of torch's generators. It holds no
batches: they are drawn again from their seeds. Nor does it hold plain Python attributes, so a candidate that counts its
own calls may train differently after a resume.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from trainer.inside.loop import TaskTrainer
from trainer.inside.state_export import array_of

GENERATORS = "generators."
"""Prefix of the names of generator states."""


def export_snapshot(trainers: Iterable[TaskTrainer]) -> dict[str, np.ndarray]:
    """Return the state by name, each tensor as an array of the same shape."""
    return {name: array_of(tensor) for name, tensor in _tensors(trainers)} | {
        f"{GENERATORS}{index}": state.numpy() for index, state in enumerate(_generators())
    }


@torch.no_grad()
def load_snapshot(trainers: Iterable[TaskTrainer], arrays: Mapping[str, np.ndarray]) -> None:
    """Load the arrays into trainers that were rebuilt from the same seeds.

    Raises KeyError for a missing array, RuntimeError for one of another shape.
    """
    for name, tensor in _tensors(trainers):
        tensor.copy_(torch.from_numpy(arrays[name]))
    torch.set_rng_state(torch.from_numpy(arrays[f"{GENERATORS}0"]))
    for device in range(len(_generators()) - 1):
        torch.cuda.set_rng_state(torch.from_numpy(arrays[f"{GENERATORS}{device + 1}"]), device)


def _tensors(trainers: Iterable[TaskTrainer]) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor that a step changes."""
    for trainer in trainers:
        model_tensors = (*trainer.model.named_parameters(), *trainer.model.named_buffers())
        yield from ((f"{trainer.name}.{name}", tensor) for name, tensor in model_tensors)
        yield from ((f"optimiser.{trainer.name}.{name}", tensor) for name, tensor in trainer.optimiser.named_tensors())


def _generators() -> list[Tensor]:
    """Return the states of torch's generators: the CPU's, then that of each GPU if CUDA is in use."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])]
