"""The state of a training as arrays, in the jail: from it, training resumes at a step without any difference.

It holds every task's parameters, buffers and optimiser state, and the states of torch's generators. It holds no
batches: they are drawn again from their seeds. Nor does it hold plain Python attributes, so a candidate that counts its
own calls may train differently after a resume.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainer.inside.adamw import AdamW
from trainer.inside.model import LanguageModel
from trainer.inside.state_export import ArrayForm, array_of, form_of

GENERATORS = "generators."
"""Prefix of the names of generator states."""


class Learner(NamedTuple):
    """A task's model with its optimiser."""

    name: str
    """Name of the task."""
    model: LanguageModel
    optimiser: AdamW


def describe_snapshot(learners: Iterable[Learner]) -> dict[str, ArrayForm]:
    """Return the names and forms of the arrays of a snapshot."""
    generators = {f"{GENERATORS}{index}": form_of(state) for index, state in enumerate(_generators())}
    return {name: form_of(tensor) for name, tensor in _tensors(learners)} | generators


def export_snapshot(learners: Iterable[Learner]) -> dict[str, np.ndarray]:
    """Return the state by name, each tensor as an array of the same shape."""
    return {name: array_of(tensor) for name, tensor in _tensors(learners)} | {
        f"{GENERATORS}{index}": state.numpy() for index, state in enumerate(_generators())
    }


@torch.no_grad()
def load_snapshot(learners: Iterable[Learner], arrays: Mapping[str, np.ndarray]) -> None:
    """Load the arrays into learners that were rebuilt from the same seeds.

    Raises KeyError for a missing array, RuntimeError for one of another shape.
    """
    for name, tensor in _tensors(learners):
        tensor.copy_(torch.from_numpy(arrays[name]))
    torch.set_rng_state(torch.from_numpy(arrays[f"{GENERATORS}0"]))
    for device in range(len(_generators()) - 1):
        torch.cuda.set_rng_state(torch.from_numpy(arrays[f"{GENERATORS}{device + 1}"]), device)


def _tensors(learners: Iterable[Learner]) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor that a step changes."""
    for learner in learners:
        model_tensors = (*learner.model.named_parameters(), *learner.model.named_buffers())
        yield from ((f"{learner.name}.{name}", tensor) for name, tensor in model_tensors)
        yield from ((f"optimiser.{learner.name}.{name}", tensor) for name, tensor in learner.optimiser.named_tensors())


def _generators() -> list[Tensor]:
    """Return the states of torch's generators: the CPU's, then that of each GPU if CUDA is in use."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])]
