"""What a call of a mixer costs: work within torch, numbers that leave torch, and elements that stay behind."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

BOOLEAN = 1 / 32
"""A yes or no is this much of a number: loops may ask whether to go on."""
EXITS = frozenset(
    {
        "tolist", "numpy", "item", "data_ptr", "storage", "untyped_storage", "__array__", "__dlpack__", "__float__",
        "__int__", "__index__", "__complex__", "__format__", "__repr__", "__reduce_ex__", "to_dlpack",
    }
)  # fmt: skip
"""Methods of a tensor whose results are Python's, or whose memory others can read."""
MAX_DEPTH = 4
"""Levels of containers within containers that are counted."""


class Cost(NamedTuple):
    """The cost of a call."""

    work: int
    """Multiply-adds of products, plus the elements of all results."""
    elements: int
    """Elements of all results, part of the work."""
    largest: int
    """Elements of the largest result."""
    left: float
    """Numbers that left torch."""
    seconds: float
    """CPU seconds of the process."""


def count_cost(function: Callable[[], object], *, gradients: bool = False) -> Cost:
    """Call a function and return the cost; `gradients` says whether torch records the call for a backward pass."""
    with ExitStack() as stack:
        stack.enter_context(torch.set_grad_enabled(gradients))
        exits, counter = stack.enter_context(_Exits()), stack.enter_context(_Counter())
        start = time.process_time()
        function()
        seconds = time.process_time() - start
    return Cost(counter.products + counter.elements, counter.elements, counter.largest, exits.left, seconds)


class _Exits(TorchFunctionMode):
    """Adds up the numbers that leave torch."""

    left = 0.0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function and count what it hands out."""
        name = getattr(func, "__name__", "")
        if name in EXITS and args and isinstance(args[0], Tensor):
            self.left += args[0].numel()
        elif name == "__bool__":
            self.left += BOOLEAN
        return func(*args, **(kwargs or {}))


class _Counter(TorchDispatchMode):
    """Adds up the cost of all dispatched operations."""

    def __init__(self) -> None:
        super().__init__()
        self.products = 0
        self.elements = 0
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Do the operation and count it."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            elements = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
            self.largest = max([self.largest, *elements])
            self.elements += sum(elements)
            self.products += _multiply_adds(str(func.overloadpacket), args)
        return result


# Without this mark, entering the mode imports torch's compiler (seconds, 80 MB), only to exclude this method from it.
_inner = _Counter.__torch_dispatch__.__wrapped__  # type: ignore[attr-defined]
setattr(_inner, "__dynamo_disable", _inner)


def _multiply_adds(name: str, args: tuple) -> int:
    """Return the multiply-adds of a matrix product, a convolution or an attention; 0 for other operations."""
    match name.rpartition(".")[2]:
        case "mm" | "bmm" | "mv" | "dot":
            return args[0].numel() * (args[1].shape[-1] if args[1].ndim > 1 else 1)
        case "addmm" | "baddbmm":
            return args[1].numel() * args[2].shape[-1]
        case "convolution":
            return args[0].shape[0] * args[0].shape[-1] * args[1].numel()
        case "_native_multi_head_attention":
            query, key = args[:2]
            return 2 * query.numel() * key.shape[-2]
        case attention if attention.startswith("_scaled_dot_product"):
            return 2 * args[0].numel() * args[1].shape[-2]
        case _:
            return 0


def kept_elements(mixer: nn.Module) -> int:
    """Return the elements that a mixer keeps: in attributes of its modules and classes, and in its file's globals."""
    classes = {type(module) for module in mixer.modules()}
    own = [kind for kind in classes if kind.__module__.partition(".")[0] != "torch"]
    files = {id(names): names for kind in own if (names := getattr(kind.forward, "__globals__", None))}
    owners = [*map(vars, mixer.modules()), *map(vars, own), *files.values()]
    return sum(_elements(value, MAX_DEPTH) for owner in owners for value in list(owner.values()))


def _elements(value: object, depth: int) -> int:
    """Return the elements of a tensor, array or text, and of containers with what they contain."""
    match value:
        case Tensor():
            return value.numel()
        case np.ndarray():
            return value.size
        case str() | bytes() | bytearray():
            return len(value)
        case dict():
            inner = list(value.values())
        case list() | tuple() | set() | frozenset() | deque():
            inner = list(value)
        case _:
            return 0
    return len(inner) + (sum(_elements(one, depth - 1) for one in inner) if depth else 0)
