"""An fla-style layer as a mixer: hidden states in, the first output out, in the caller's dtype.

    __init__(self, hidden_size, num_heads, ..., layer_idx=None, **kwargs)
    forward(self, hidden_states, attention_mask=None, ...) -> tensor, (tensor, attentions, cache) or a mapping

Layers that cast to bfloat16 by name fail on single precision weights, and some accept whole chunks only. So the way of
calling a layer is negotiated once, by short calls. The first of these that works is used:

1. unchanged;
2. with `torch.bfloat16` meaning single precision in the layer's file (on a CPU three times as fast as half precision);
3. under autocast;
4. with everything in bfloat16.

If that way still fails for a length, zeros fill the last chunk behind the sequence, and their outputs are cut off.
"""

import copy
import inspect
import itertools
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

PROBE_LENGTHS = (4, 65)
"""A short sequence, and one that is longer than a chunk."""
CHUNK, MIN_FILLED_LENGTH = 64, 128
"""A sequence in whole chunks is a multiple of the first, and at least as long as the second."""

Call = Callable[..., object]
"""(layer, hidden states, **arguments of forward) -> the return value of forward."""
Failure = Literal["", "dtype", "other"]


class FlaMixer(nn.Module):
    """An fla-style layer as a mixer, [B, T, D] to [B, T, D]."""

    def __init__(self, layer: nn.Module, call: Call) -> None:
        """Wrap a layer with the way of calling it, as `negotiate_call` returns it."""
        super().__init__()
        self.layer, self._call = layer, call
        self._parameters_of_forward = dict(inspect.signature(layer.forward).parameters)
        self._required = _required_arguments(self._parameters_of_forward)

    def forward(self, x: Tensor, **more: object) -> Tensor:
        """Return the layer's output in the dtype of x [B, T, D]; `more` are arguments of its own forward."""
        with nullcontext() if self.training else frozen_counters(self.layer):
            return _first_output(self._call(self.layer, x, **self._required | more), x)

    def takes(self, *names: str) -> bool:
        """Whether the layer's forward pass has all of these arguments."""
        return all(name in self._parameters_of_forward for name in names)


def negotiate_call(layer: nn.Module, d_model: int) -> Call:
    """Return the first way of calling a layer that fails over neither dtypes nor lengths, tried on copies of it.

    If all fail, the layer is called unchanged, so that the caller gets its own error.
    """
    with torch.random.fork_rng(devices=[]):
        call = _matching_dtypes(layer, d_model)
        if _failure(layer, call, d_model) and not _failure(layer, in_chunks := in_whole_chunks(call), d_model):
            return in_chunks
    return call


def _matching_dtypes(layer: nn.Module, d_model: int) -> Call:
    """Return the first way of calling a layer that doesn't fail because dtypes differ."""
    names = inspect.unwrap(type(layer).forward).__globals__
    if _failure(layer, unchanged, d_model) != "dtype":
        return unchanged
    if names.get("torch") is torch:
        names["torch"] = _SinglePrecisionTorch("torch")
        if _failure(layer, unchanged, d_model) != "dtype":
            return unchanged
        names["torch"] = torch
    calls = (under_autocast, in_bfloat16)
    return next((call for call in calls if _failure(layer, call, d_model) != "dtype"), unchanged)


@contextmanager
def frozen_counters(layer: nn.Module) -> Iterator[None]:
    """Restore a layer's buffers and numbers after a call.

    Published layers count their calls, in eval mode too, and anneal a gate by the count. An evaluation belongs to one
    moment of training, so it must not move the count. Other tensors stay as the call leaves them.
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


class _SinglePrecisionTorch(types.ModuleType):
    """A stand-in for torch in a layer's file, in which half precision by name is single precision."""

    bfloat16 = float16 = half = torch.float32

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name)


def unchanged(layer: nn.Module, x: Tensor, **more: object) -> object:
    """Call the layer."""
    return layer(x, **more)


def under_autocast(layer: nn.Module, x: Tensor, **more: object) -> object:
    """Call the layer with products in bfloat16, whatever the dtypes of their factors."""
    with torch.autocast(x.device.type, torch.bfloat16):
        return layer(x, **more)


def in_bfloat16(layer: nn.Module, x: Tensor, **more: object) -> object:
    """Call the layer with inputs, parameters and buffers in bfloat16; gradients reach the parameters themselves."""
    tensors = dict(layer.named_parameters()) | dict(layer.named_buffers())
    lowered = {name: t.bfloat16() if t.is_floating_point() else t for name, t in tensors.items()}
    return functional_call(layer, lowered, (x.bfloat16(),), more)


def in_whole_chunks(call: Call) -> Call:
    """Return a call that fills the last chunk with zeros behind the sequence and cuts off their outputs."""

    def call_in_chunks(layer: nn.Module, x: Tensor, **more: object) -> object:
        length = x.shape[1]
        missing = max(MIN_FILLED_LENGTH - length, -length % CHUNK)
        mask = more.get("attention_mask")
        if isinstance(mask, Tensor):
            more["attention_mask"] = F.pad(mask, (0, missing))
        y = _first_output(call(layer, F.pad(x, (0, 0, 0, missing)), **more), x)
        return y[:, :length] if isinstance(y, Tensor) and y.ndim > 1 else y

    return call_in_chunks


def _failure(layer: nn.Module, call: Call, d_model: int) -> Failure:
    """Return why short calls of a copy fail, in training and in eval mode: first over dtypes, then over anything."""
    failure: Failure = ""
    for training, length in itertools.product((True, False), PROBE_LENGTHS):
        try:
            FlaMixer(copy.deepcopy(layer).train(training), call)(torch.randn(1, length, d_model))
        except Exception as error:  # noqa: BLE001 (a candidate may raise anything)
            if isinstance(error, RuntimeError) and "type" in str(error).lower():
                return "dtype"
            failure = "other"
    return failure


def _required_arguments(parameters: dict[str, inspect.Parameter]) -> dict[str, None]:
    """Return None for each argument of forward, after the first, that has no default."""
    named = [
        parameter
        for parameter in parameters.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    return {parameter.name: None for parameter in named[1:] if parameter.default is parameter.empty}


def _first_output(y: object, x: Tensor) -> Tensor:
    """Return the first output, a tensor in the dtype of x; anything else is returned for the gates to refuse."""
    if isinstance(y, Mapping) and y:
        y = tuple(y.values())
    first = y[0] if isinstance(y, tuple | list) and y else y
    return first.to(x.dtype) if isinstance(first, Tensor) else first  # type: ignore[return-value]
