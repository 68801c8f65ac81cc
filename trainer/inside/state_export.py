"""Trained models as arrays: their trainable parameters, and the buffers that training has changed.

Everything else is rebuilt from the seed. Parameters are named `task.name`, buffers `buffers.task.name`. The parent
counts both, so that a buffer is no second memory.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from sandbox.frames import DTYPES

HALF_PRECISION = (torch.bfloat16, torch.float16)
"""Dtypes that travel in single precision."""
BUFFER_PREFIX = "buffers."
"""Prefix of the names of buffers."""


ArrayForm = tuple[str, list[int]]
"""Dtype and shape."""


def describe_state(models: Mapping[str, nn.Module]) -> tuple[dict[str, ArrayForm], dict[str, ArrayForm]]:
    """Return the names and forms of all parameters, and of the buffers, that `export_state` may return."""
    parameters = {name: ("float32", list(p.shape)) for name, p in _parameters(models)}
    buffers = {name: form_of(buffer) for name, buffer in _buffers(models) if form_of(buffer)[0] in DTYPES}
    return parameters, buffers


def export_state(models: Mapping[str, nn.Module], built: Mapping[str, nn.Module]) -> dict[str, np.ndarray]:
    """Return the arrays of trained models; `built` are the same models before training. Shared tensors occur once.

    A buffer that training has created or resized is not among them: no rebuilt model has a place for it.
    """
    before = dict(_buffers(built))
    changed = {name: buffer for name, buffer in _buffers(models) if is_changed(buffer, before.get(name))}
    return {name: array_of(p.float()) for name, p in _parameters(models)} | {
        name: array_of(buffer) for name, buffer in changed.items()
    }


def _parameters(models: Mapping[str, nn.Module]) -> Iterator[tuple[str, Tensor]]:
    """Yield every trainable parameter by its name in a frame."""
    for task, model in models.items():
        yield from ((f"{task}.{name}", p) for name, p in model.named_parameters() if p.requires_grad)


def _buffers(models: Mapping[str, nn.Module]) -> Iterator[tuple[str, Tensor]]:
    """Yield every buffer by its name in a frame."""
    for task, model in models.items():
        yield from ((f"{BUFFER_PREFIX}{task}.{name}", buffer) for name, buffer in model.named_buffers())


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


def is_changed(buffer: Tensor, before: Tensor | None) -> bool:
    """Whether a buffer of the same form has other values than before; a NaN counts as equal to a NaN."""
    if before is None or form_of(buffer) != form_of(before) or form_of(buffer)[0] not in DTYPES:
        return False
    return not torch.equal(buffer, before) and not torch.equal(buffer.nan_to_num(), before.nan_to_num())


def form_of(tensor: Tensor) -> ArrayForm:
    """Return the form of a tensor's array."""
    dtype = "float32" if tensor.dtype in HALF_PRECISION else str(tensor.dtype).removeprefix("torch.")
    return dtype, list(tensor.shape)


def array_of(tensor: Tensor) -> np.ndarray:
    """Return a tensor as an array of a dtype that a frame can hold."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype in HALF_PRECISION else tensor).numpy()
