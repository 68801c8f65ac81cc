"""How a candidate's class becomes a mixer of the language model: one function per form of architecture.

The native form is `__init__(self, d_model, n_heads, layer_idx=0)` and `forward(self, x)`. Other forms get a branch
here, and nothing else of the trainer knows that they exist.
"""

import inspect
from collections.abc import Callable

from torch import nn

MixerFactory = Callable[[int, int, int], nn.Module]
"""(d_model, n_heads, layer_idx) -> a module from [B, T, D] to [B, T, D]."""


def mixer_factory(candidate: type[nn.Module]) -> MixerFactory:
    """Return how to build the candidate. Raises TypeError where its constructor has no form that is known."""
    names = list(inspect.signature(candidate.__init__).parameters)[1:3]
    if names != ["d_model", "n_heads"]:
        raise TypeError(
            f"{candidate.__name__}.__init__ must take (d_model, n_heads, layer_idx=0), not ({', '.join(names)})"
        )

    def build(d_model: int, n_heads: int, layer_idx: int) -> nn.Module:
        return candidate(d_model, n_heads, layer_idx=layer_idx)

    return build
