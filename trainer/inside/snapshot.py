"""A training under way as arrays, inside the jail: what it takes to go on from a step as if nothing had happened.

Of every task the parameters, the buffers and the optimiser's moments, and the states of torch's generators. Batches are
not in it: they are drawn again from their seeds. What a candidate keeps in plain attributes of Python is not seen, so
one that counts its own calls may go on differently.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from trainer.inside.loop import Trainee
from trainer.inside.state_export import array_of

GENERATORS = "generators."


def export_snapshot(trainees: Iterable[Trainee]) -> dict[str, np.ndarray]:
    """Return everything by name, each tensor as an array of the same shape."""
    return {name: array_of(tensor) for name, tensor in _tensors(trainees)} | {
        f"{GENERATORS}{place}": state.numpy() for place, state in enumerate(_generators())
    }


@torch.no_grad()
def load_snapshot(trainees: Iterable[Trainee], arrays: Mapping[str, np.ndarray]) -> None:
    """Put the arrays into trainees that were built anew from the same seeds. Raises KeyError, RuntimeError."""
    for name, tensor in _tensors(trainees):
        tensor.copy_(torch.from_numpy(arrays[name]))
    torch.set_rng_state(torch.from_numpy(arrays[f"{GENERATORS}0"]))
    for device in range(len(_generators()) - 1):
        torch.cuda.set_rng_state(torch.from_numpy(arrays[f"{GENERATORS}{device + 1}"]), device)


def _tensors(trainees: Iterable[Trainee]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that a step changes."""
    for trainee in trainees:
        of_model = (*trainee.model.named_parameters(), *trainee.model.named_buffers())
        yield from ((f"{trainee.name}.{name}", tensor) for name, tensor in of_model)
        yield from ((f"optimiser.{trainee.name}.{name}", tensor) for name, tensor in trainee.optimiser.named_tensors())


def _generators() -> list[Tensor]:
    """Return the states of torch's generators: the CPU's, then each device's that is in use."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])]
