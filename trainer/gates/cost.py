"""Gate: cost grows about linearly with length; it is counted, not timed.

The count includes every operation that torch dispatches: the multiply-adds of products, and the elements of all
results. It misses work outside torch, and a quadratic term that is small even at the longest length it tries.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import Subject

LENGTHS = (64, 128, 256)
MAX_LENGTH = 1024
"""While the cost looks quadratic, the length is doubled up to this: a chunk of 512 looks quadratic up to 512."""
QUADRATIC_SHARE = 0.5
"""Share of the cost at the longest length above which a quadratic part dominates."""
QUADRATIC_GROWTH = 3.0
"""Growth of the curvature from one doubling to the next above which it is quadratic: 4 for T², 2 for T log T."""


class Cost(NamedTuple):
    """The cost of a call."""

    work: int
    """Multiply-adds of products, plus the elements of all results."""
    largest_tensor: int
    """Elements of the largest result."""


def count_cost(function: Callable[[], object]) -> Cost:
    """Call a function and return the cost."""
    with torch.no_grad(), _Counter() as counter:
        function()
    return Cost(counter.work, counter.largest)


class _Counter(TorchDispatchMode):
    """Adds up the cost of all dispatched operations."""

    def __init__(self) -> None:
        super().__init__()
        self.work = 0
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Do the operation and count it."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            elements = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
            self.largest = max([self.largest, *elements])
            self.work += _multiply_adds(str(func.overloadpacket), args) + sum(elements)
        return result


# Without this mark, entering the mode imports torch's compiler (seconds, 80 MB), only to exclude this method from it.
_inner = _Counter.__torch_dispatch__.__wrapped__  # type: ignore[attr-defined]
setattr(_inner, "__dynamo_disable", _inner)


def _multiply_adds(name: str, args: tuple) -> int:
    """Return the multiply-adds of a matrix product, a convolution or an attention; 0 for other operations."""
    match name.rpartition(".")[2]:
        case "mm" | "bmm":
            return args[0].numel() * args[1].shape[-1]
        case "addmm" | "baddbmm":
            return args[1].numel() * args[2].shape[-1]
        case "convolution":
            return args[0].shape[0] * args[0].shape[-1] * args[1].numel()
        case attention if attention.startswith("_scaled_dot_product"):
            return 2 * args[0].numel() * args[1].shape[-2]
        case _:
            return 0


def growth(subject: Subject) -> GateFinding:
    """Check that no quadratic part dominates the work or the largest tensor."""
    mixer = subject.build_mixer()
    costs = [_cost_at(mixer, subject, length) for length in LENGTHS]
    length = LENGTHS[-1]
    while _looks_quadratic(costs) and length < MAX_LENGTH:
        length *= 2
        costs.append(_cost_at(mixer, subject, length))
    exponent = math.log2(costs[-1].work / max(costs[-2].work, 1))
    evidence = (
        f"work grows as length^{exponent:.2f} up to length {length}, largest tensor {costs[-1].largest_tensor} elements"
    )
    return failed("cost", "superlinear", evidence) if _looks_quadratic(costs) else passed("cost", evidence)


def _cost_at(mixer: torch.nn.Module, subject: Subject, length: int) -> Cost:
    x = subject.inputs(1, length)
    return count_cost(lambda: mixer(x))


def _looks_quadratic(costs: list[Cost]) -> bool:
    """Whether the work or the largest tensor has a dominant quadratic part over the last three lengths."""
    work, tensor = [cost.work for cost in costs[-3:]], [cost.largest_tensor for cost in costs[-3:]]
    return is_quadratic(work) or (is_quadratic(tensor) and tensor[2] > 2 * tensor[1])


def is_quadratic(costs: list[int]) -> bool:
    """Whether costs at T, 2T and 4T have a dominant quadratic part: a + bT + cT² has curvatures 2cT² and 8cT²."""
    first, second = costs[1] - 2 * costs[0], costs[2] - 2 * costs[1]
    return second > 0 and 2 * second / max(costs[2], 1) > QUADRATIC_SHARE and second > QUADRATIC_GROWTH * first
