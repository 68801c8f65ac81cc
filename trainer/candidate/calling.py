"""The fla form of a layer, seen as a mixer: hidden states in, the first of its outputs out, in the caller's dtype.

    __init__(self, hidden_size, num_heads, ..., layer_idx=None, **kwargs)
    forward(self, hidden_states, attention_mask=None, ...) -> tensor, (tensor, attentions, cache) or a mapping

Layers that cast to bfloat16 by name fail on single precision weights, and some take whole chunks only. How a layer is
called is therefore negotiated once, by short calls: as it is, else with `torch.bfloat16` meaning single precision in
the layer's file (on a CPU three times as fast as half), else under autocast, else with everything in bfloat16; and
where it fails for a length, with zeros behind the sequence that fill a chunk and whose outputs are cut off.
"""

import copy
import inspect
import itertools
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

PROBE_LENGTHS = (4, 65)
"""Short, and beyond a chunk."""
CHUNK, MIN_FILLED_LENGTH = 64, 128
"""What a layer that takes whole chunks only is given: multiples of the one, and not fewer than the other."""

Call = Callable[..., object]
"""(layer, hidden states, **arguments of forward) -> what forward returns."""


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
        with nullcontext() if self.training else clock_stopped(self.layer):
            return _first(self._call(self.layer, x, **self._required | more), x)

    def takes(self, *names: str) -> bool:
        """Whether the layer's forward pass knows all of these arguments."""
        return all(name in self._takes for name in names)


def negotiated(layer: nn.Module, d_model: int) -> Call:
    """Return the first way of calling a layer that doesn't fail over dtypes or lengths, tried on copies of it.

    Where all fail the layer is called as it is, so that whoever calls it sees its own error.
    """
    with torch.random.fork_rng(devices=[]):
        call = _with_dtypes(layer, d_model)
        if _obstacle(layer, call, d_model) and not _obstacle(layer, filled := in_whole_chunks(call), d_model):
            return filled
    return call


def _with_dtypes(layer: nn.Module, d_model: int) -> Call:
    """Return the first way of calling a layer that doesn't fail because dtypes differ."""
    names = inspect.unwrap(type(layer).forward).__globals__
    if _obstacle(layer, as_it_is, d_model) != "dtype":
        return as_it_is
    if names.get("torch") is torch:
        names["torch"] = _Wide("torch")
        if _obstacle(layer, as_it_is, d_model) != "dtype":
            return as_it_is
        names["torch"] = torch
    calls = (under_autocast, in_bfloat16)
    return next((call for call in calls if _obstacle(layer, call, d_model) != "dtype"), as_it_is)


@contextmanager
def clock_stopped(layer: nn.Module) -> Iterator[None]:
    """Put a layer's buffers and numbers back after a call.

    Published layers count their calls, in eval mode too, and anneal a gate by the count. An evaluation is one moment of
    training, so the count stands still in it. Other tensors stay as a call leaves them.
    """
    modules = list(layer.modules())
    buffers = [(module, name, b, b.clone()) for module in modules for name, b in module.named_buffers(recurse=False)]
    numbers = [(module, name, n) for module in modules for name, n in vars(module).items() if type(n) in (int, float)]
    try:
        yield
    finally:
        for module, name, buffer, before in buffers:
            same = torch.equal(buffer.nan_to_num(), before.nan_to_num())
            setattr(module, name, buffer if same else before)
        for module, name, number in numbers:
            setattr(module, name, number)


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


def in_whole_chunks(call: Call) -> Call:
    """Return a way of calling that fills the last chunk with zeros behind the sequence, and cuts their outputs off."""

    def filled(layer: nn.Module, x: Tensor, **more: object) -> object:
        length = x.shape[1]
        missing = max(MIN_FILLED_LENGTH - length, -length % CHUNK)
        mask = more.get("attention_mask")
        if isinstance(mask, Tensor):
            more["attention_mask"] = F.pad(mask, (0, missing))
        y = _first(call(layer, F.pad(x, (0, 0, 0, missing)), **more), x)
        return y[:, :length] if isinstance(y, Tensor) and y.ndim > 1 else y

    return filled


def _obstacle(layer: nn.Module, call: Call, d_model: int) -> str:
    """Return what calls of a copy, training and not, fail over: differing dtypes first of all, else anything."""
    found = ""
    for training, length in itertools.product((True, False), PROBE_LENGTHS):
        try:
            FlaMixer(copy.deepcopy(layer).train(training), call)(torch.randn(1, length, d_model))
        except Exception as error:  # noqa: BLE001 (whatever a candidate raises)
            if isinstance(error, RuntimeError) and "type" in str(error).lower():
                return "dtype"
            found = "other"
    return found


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
    if isinstance(y, Mapping) and y:
        y = tuple(y.values())
    first = y[0] if isinstance(y, tuple | list) and y else y
    return first.to(x.dtype) if isinstance(first, Tensor) else first  # type: ignore[return-value]
