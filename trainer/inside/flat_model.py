"""A model whose weights and gradients travel as one vector, in the jail.

The vector holds the trainable parameters, in the order in which the worker described them to the parent. Buffers travel
by name, `buffers.task.name`, and only those that training has changed.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from trainer.inside.state_export import BUFFER_PREFIX, array_of, is_changed


class FlatModel:
    """One task's model."""

    def __init__(self, task: str, model: nn.Module) -> None:
        """Take a task's model as it was built."""
        self.model = model
        self._prefix = f"{BUFFER_PREFIX}{task}."
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._sizes = [p.numel() for p in self._parameters]
        self._built_buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        self.built_weights = torch.cat([p.detach().flatten().float() for p in self._parameters]).cpu().numpy()

    @torch.no_grad()
    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set the weights to `weights` [P], and each buffer to the array of its name, else to its value as built."""
        pieces = torch.from_numpy(arrays["weights"]).split(self._sizes)
        for parameter, piece in zip(self._parameters, pieces, strict=True):
            parameter.copy_(piece.view(parameter.shape))
        for name, buffer in self.model.named_buffers():
            built = self._built_buffers.get(name)
            array = arrays.get(self._prefix + name)
            value = built if array is None else torch.from_numpy(array)
            if value is not None and value.shape == buffer.shape:
                buffer.copy_(value)

    def gradient(self) -> np.ndarray:
        """Return the gradient [P]; a parameter that the loss does not reach has zeros."""
        parts = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in self._parameters]
        return torch.cat(parts).float().cpu().numpy()

    def changed_buffers(self) -> dict[str, np.ndarray]:
        """Return the buffers that differ from those built, as arrays by name."""
        return {
            self._prefix + name: array_of(buffer)
            for name, buffer in self.model.named_buffers()
            if is_changed(buffer, self._built_buffers.get(name))
        }
