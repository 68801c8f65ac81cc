"""How a candidate's class becomes a mixer of the language model: one function per form of architecture.

The native form is `__init__(self, d_model, n_heads, layer_idx=0)` and `forward(self, x)`; the form of the layers of
flash-linear-attention is met in `stand_ins`. Nothing else of the trainer knows that there are two.
"""

import inspect
from collections.abc import Callable

from torch import nn

from trainer.candidate.calling import Call, FlaMixer, negotiated
from trainer.candidate.construction import is_fla_form, layer_of

MixerFactory = Callable[[int, int, int], nn.Module]
"""(d_model, n_heads, layer_idx) -> a module from [B, T, D] to [B, T, D]."""


def mixer_factory(candidate: type[nn.Module]) -> MixerFactory:
    """Return how to build the candidate. Raises TypeError where its constructor has no form that is known."""
    names = list(inspect.signature(candidate.__init__).parameters)[1:]
    if names[:3] == ["d_model", "n_heads", "layer_idx"]:
        return lambda d_model, n_heads, layer_idx: candidate(d_model, n_heads, layer_idx=layer_idx)
    if is_fla_form(candidate):
        return _fla_factory(candidate)
    raise TypeError(
        f"{candidate.__name__}.__init__ must take (d_model, n_heads, layer_idx=0), not ({', '.join(names)})"
    )


def _fla_factory(candidate: type[nn.Module]) -> MixerFactory:
    """Return how to build a layer of fla's form; how it is called is found out with the first one."""
    found: list[Call] = []

    def build(d_model: int, n_heads: int, layer_idx: int) -> nn.Module:
        layer = layer_of(candidate, d_model, n_heads, layer_idx)
        if not found:
            found.append(negotiated(layer, d_model))
        return FlaMixer(layer, found[0])

    return build
