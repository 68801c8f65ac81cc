"""What training leaves of a model, as arrays: its trainable parameters, and the buffers that are no longer as built.

All else is rebuilt from the seed. Parameters are named `task.name`, buffers `buffers.task.name`: the parent counts
both, so that a buffer is no second memory beside the parameters.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

BUFFER_PREFIX = "buffers."


def export_state(models: Mapping[str, nn.Module], built: Mapping[str, nn.Module]) -> dict[str, np.ndarray]:
    """Return the arrays of trained models; `built` are the same models before training. Shared tensors come once."""
    found: dict[str, np.ndarray] = {}
    for task, model in models.items():
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        found |= {f"{task}.{name}": array_of(p.float()) for name, p in trainable.items()}
        before = dict(built[task].named_buffers())
        changed = {name: b for name, b in model.named_buffers() if name not in before or not _same(b, before[name])}
        found |= {f"{BUFFER_PREFIX}{task}.{name}": array_of(b) for name, b in changed.items()}
    return found


@torch.no_grad()
def load_state(models: Mapping[str, nn.Module], arrays: Mapping[str, np.ndarray]) -> None:
    """Put the arrays into models that were built anew from the same seeds. Raises KeyError, RuntimeError."""
    places: dict[str, Tensor] = {}
    for task, model in models.items():
        places |= {f"{task}.{name}": parameter for name, parameter in model.named_parameters()}
        places |= {f"{BUFFER_PREFIX}{task}.{name}": buffer for name, buffer in model.named_buffers()}
    for name, array in arrays.items():
        places[name].copy_(torch.from_numpy(array))


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal bit for bit; a NaN of a buffer counts as equal to itself."""
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def array_of(tensor: Tensor) -> np.ndarray:
    """Return a tensor's values in a dtype that a frame can hold."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).numpy()
