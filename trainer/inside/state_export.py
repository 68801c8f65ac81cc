"""Trained models as arrays: their trainable parameters, and the buffers that training has changed.

Everything else is rebuilt from the seed. Parameters are named `task.name`, buffers `buffers.task.name`. The parent
counts both, so that a buffer is no second memory.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

BUFFER_PREFIX = "buffers."
"""Prefix of the names of buffers."""


def export_state(models: Mapping[str, nn.Module], built: Mapping[str, nn.Module]) -> dict[str, np.ndarray]:
    """Return the arrays of trained models; `built` are the same models before training. Shared tensors occur once."""
    arrays: dict[str, np.ndarray] = {}
    for task, model in models.items():
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        arrays |= {f"{task}.{name}": array_of(p.float()) for name, p in trainable.items()}
        before = dict(built[task].named_buffers())
        changed = {name: b for name, b in model.named_buffers() if name not in before or not _same(b, before[name])}
        arrays |= {f"{BUFFER_PREFIX}{task}.{name}": array_of(b) for name, b in changed.items()}
    return arrays


@torch.no_grad()
def load_state(models: Mapping[str, nn.Module], arrays: Mapping[str, np.ndarray]) -> None:
    """Load the arrays into models that were rebuilt from the same seeds.

    Raises KeyError for an unknown name, RuntimeError for an array of another shape.
    """
    tensors: dict[str, Tensor] = {}
    for task, model in models.items():
        tensors |= {f"{task}.{name}": parameter for name, parameter in model.named_parameters()}
        tensors |= {f"{BUFFER_PREFIX}{task}.{name}": buffer for name, buffer in model.named_buffers()}
    for name, array in arrays.items():
        tensors[name].copy_(torch.from_numpy(array))


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal; a NaN counts as equal to a NaN."""
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def array_of(tensor: Tensor) -> np.ndarray:
    """Return a tensor as an array of a dtype that a frame can hold."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).numpy()
