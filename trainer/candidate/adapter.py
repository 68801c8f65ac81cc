"""How a candidate's class becomes a mixer of the language model: one factory per form of architecture.

The two forms are those of `architecture.forms`. Nothing else of the trainer knows that there are two.
"""

import inspect
from collections.abc import Callable

from torch import nn

from architecture.forms import is_native
from trainer.candidate.calling import Call, FlaMixer, negotiate_call
from trainer.candidate.construction import build_layer, is_fla_style

MixerFactory = Callable[[int, int, int], nn.Module]
"""(d_model, n_heads, layer_idx) -> a module from [B, T, D] to [B, T, D]."""


def mixer_factory(candidate: type[nn.Module]) -> MixerFactory:
    """Return a factory of the candidate's mixers. Raises TypeError if its constructor has neither accepted form."""
    names = list(inspect.signature(candidate.__init__).parameters)[1:]
    if is_native(names):
        return lambda d_model, n_heads, layer_idx: candidate(d_model, n_heads, layer_idx=layer_idx)
    if is_fla_style(candidate):
        return _fla_factory(candidate)
    raise TypeError(
        f"{candidate.__name__}.__init__ must take (d_model, n_heads, layer_idx=0), not ({', '.join(names)})"
    )


def _fla_factory(candidate: type[nn.Module]) -> MixerFactory:
    """Return a factory of fla-style layers; the first layer decides how all of them are called."""
    calls: list[Call] = []

    def build(d_model: int, n_heads: int, layer_idx: int) -> nn.Module:
        layer = build_layer(candidate, d_model, n_heads, layer_idx)
        if not calls:
            calls.append(negotiate_call(layer, d_model))
        return FlaMixer(layer, calls[0])

    return build
