"""The fla form of a layer, seen as a mixer: hidden states in, the first of its outputs out, in the caller's dtype.

    __init__(self, hidden_size, num_heads, ..., layer_idx=None, **kwargs)
    forward(self, hidden_states, attention_mask=None, ...) -> tensor or (tensor, attentions, cache)

Arguments are given by name, wherever they stand and under whichever of their usual names; what else a constructor takes
keeps its default. Layers that cast to bfloat16 by name fail on single precision weights, so dtypes are negotiated once,
by short calls: as it is, else with `torch.bfloat16` meaning single precision in the layer's file (on a CPU three times
as fast as half), else under autocast, else with everything in bfloat16.
"""

import copy
import inspect
import itertools
import types
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

WIDTHS, HEADS = ("hidden_size", "d_model", "embed_dim", "dim"), ("num_heads", "n_heads", "n_head", "heads")
PROBE_LENGTHS = (4, 65)
"""Short, and beyond a chunk."""

Call = Callable[..., object]
"""(layer, hidden states, **arguments of forward) -> what forward returns."""


def parameters_of(candidate: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """Return the constructor's parameters by name, those of base classes included where it hands `**kwargs` on."""
    found: dict[str, inspect.Parameter] = {}
    for kind in candidate.__mro__:
        if "__init__" not in vars(kind):
            continue
        own = dict(inspect.signature(vars(kind)["__init__"]).parameters)
        found = own | found
        if kind is nn.Module or all(parameter.kind is not parameter.VAR_KEYWORD for parameter in own.values()):
            break
    return found


def is_fla_form(candidate: type[nn.Module]) -> bool:
    """Whether a class is constructed by fla's names, wherever they stand in its signature."""
    names = parameters_of(candidate)
    return any(width in names for width in WIDTHS)


class FlaMixer(nn.Module):
    """A layer of fla's form as a mixer, [B, T, D] to [B, T, D]."""

    def __init__(self, layer: nn.Module, call: Call) -> None:
        """Take a layer and the way of calling it that `negotiated` has found."""
        super().__init__()
        self.layer, self._call = layer, call
        self._takes = dict(inspect.signature(layer.forward).parameters)
        self._required = _required(self._takes)

    def forward(self, x: Tensor, **more: object) -> Tensor:
        """Return the layer's output in the dtype of x [B, T, D]; `more` are arguments of its own forward."""
        return _first(self._call(self.layer, x, **self._required | more), x)

    def takes(self, *names: str) -> bool:
        """Whether the layer's forward pass knows all of these arguments."""
        return all(name in self._takes for name in names)


def layer_of(candidate: type[nn.Module], d_model: int, n_heads: int, layer_idx: int) -> nn.Module:
    """Build a layer by the names that its constructor has. Raises whatever the constructor raises."""
    names = parameters_of(candidate)
    known = dict.fromkeys(WIDTHS, d_model) | dict.fromkeys(HEADS, n_heads)
    known |= {"head_dim": d_model // n_heads, "layer_idx": layer_idx}
    return candidate(**{name: value for name, value in known.items() if name in names})


def negotiated(layer: nn.Module, d_model: int) -> Call:
    """Return the first way of calling a layer that doesn't fail over mixed dtypes, tried on copies of it.

    Where all fail the layer is called as it is, so that whoever calls it sees its own error.
    """
    names = inspect.unwrap(type(layer).forward).__globals__
    with torch.random.fork_rng(devices=[]):
        if not _mixes_dtypes(layer, as_it_is, d_model):
            return as_it_is
        if names.get("torch") is torch:
            names["torch"] = _Wide("torch")
            if not _mixes_dtypes(layer, as_it_is, d_model):
                return as_it_is
            names["torch"] = torch
        return next(
            (call for call in (under_autocast, in_bfloat16) if not _mixes_dtypes(layer, call, d_model)), as_it_is
        )


class _Wide(types.ModuleType):
    """What a layer's file then knows as torch: half precision by name is single precision."""

    bfloat16 = float16 = half = torch.float32

    def __getattr__(self, name: str) -> object:
        """Return torch's own."""
        return getattr(torch, name)


def as_it_is(layer: nn.Module, x: Tensor, **more: object) -> object:
    """Call the layer."""
    return layer(x, **more)


def under_autocast(layer: nn.Module, x: Tensor, **more: object) -> object:
    """Call the layer with products in bfloat16, whatever dtypes meet in them."""
    with torch.autocast(x.device.type, torch.bfloat16):
        return layer(x, **more)


def in_bfloat16(layer: nn.Module, x: Tensor, **more: object) -> object:
    """Call the layer with inputs, parameters and buffers in bfloat16; gradients reach the parameters as they are."""
    tensors = dict(layer.named_parameters()) | dict(layer.named_buffers())
    lowered = {name: t.bfloat16() if t.is_floating_point() else t for name, t in tensors.items()}
    return functional_call(layer, lowered, (x.bfloat16(),), more)


def _mixes_dtypes(layer: nn.Module, call: Call, d_model: int) -> bool:
    """Whether calls of a copy, training and not, fail because dtypes differ; another failure is the gates' to name."""
    for training, length in itertools.product((True, False), PROBE_LENGTHS):
        try:
            FlaMixer(copy.deepcopy(layer).train(training), call)(torch.randn(1, length, d_model))
        except Exception as error:  # noqa: BLE001 (whatever a candidate raises)
            return isinstance(error, RuntimeError) and "type" in str(error).lower()
    return False


def _required(takes: dict[str, inspect.Parameter]) -> dict[str, None]:
    """Return None for each argument of forward, behind the first, that has no default."""
    named = [
        parameter
        for parameter in takes.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    return {parameter.name: None for parameter in named[1:] if parameter.default is parameter.empty}


def _first(y: object, x: Tensor) -> Tensor:
    """Return the first of the outputs, in the dtype of x where it is a tensor; the gates look at what is none."""
    first = y[0] if isinstance(y, tuple | list) and y else y
    return first.to(x.dtype) if isinstance(first, Tensor) else first  # type: ignore[return-value]
