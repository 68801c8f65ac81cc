"""Gate: cost grows about linearly with length; counted, never timed.

Every operation that torch dispatches is counted: multiplications of matrix products, else the elements it makes. What
it can't see: work outside torch, a quadratic term that is still a small part of the whole at the longest length tried.
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
"""Doubled up to here while it looks quadratic: a chunk of 512 looks so up to its own length."""
QUADRATIC_SHARE = 0.5
"""Of the cost at the longest length: a quadratic part beyond it is clear."""
QUADRATIC_GROWTH = 3.0
"""How much the curvature grows from one doubling to the next; 4 for a quadratic, 2 for T log T."""


class Cost(NamedTuple):
    """What a call costs."""

    work: int
    """Multiply-adds of products, and elements made by everything else."""
    largest: int
    """Elements of the largest tensor made."""


def count(function: Callable[[], object]) -> Cost:
    """Call a function and return what it cost."""
    with torch.no_grad(), _Counter() as counter:
        function()
    return Cost(counter.work, counter.largest)


class _Counter(TorchDispatchMode):
    """Adds up what passes through the dispatcher."""

    def __init__(self) -> None:
        super().__init__()
        self.work = 0
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Do the operation and count it."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            made = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
            self.largest = max([self.largest, *made])
            self.work += _products(str(func.overloadpacket), args) + sum(made)
        return result


# Entering the mode would otherwise import torch's compiler (seconds, 80 MB) only to be told to keep out of this method.
_inner = _Counter.__torch_dispatch__.__wrapped__  # type: ignore[attr-defined]
setattr(_inner, "__dynamo_disable", _inner)


def _products(name: str, args: tuple) -> int:
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
    """Judge whether a quadratic part makes up most of the work, or of the largest tensor."""
    mixer = subject.fresh()
    costs = [_at(mixer, subject, length) for length in LENGTHS]
    length = LENGTHS[-1]
    while _suspect(costs) and length < MAX_LENGTH:
        length *= 2
        costs.append(_at(mixer, subject, length))
    exponent = math.log2(costs[-1].work / max(costs[-2].work, 1))
    told = f"work grows as length^{exponent:.2f} up to length {length}, largest tensor {costs[-1].largest} elements"
    return failed("cost", "superlinear", told) if _suspect(costs) else passed("cost", told)


def _at(mixer: torch.nn.Module, subject: Subject, length: int) -> Cost:
    """Return the cost of one sequence."""
    x = subject.inputs(1, length)
    return count(lambda: mixer(x))


def _suspect(costs: list[Cost]) -> bool:
    """Whether work or memory looks quadratic over the last three lengths."""
    tensor = [cost.largest for cost in costs[-3:]]
    return is_quadratic([cost.work for cost in costs[-3:]]) or (is_quadratic(tensor) and tensor[2] > 2 * tensor[1])


def is_quadratic(cost: list[int]) -> bool:
    """Whether costs at T, 2T, 4T have a dominant quadratic part: a + bT + cT² has curvatures 2cT² and 8cT²."""
    near, far = cost[1] - 2 * cost[0], cost[2] - 2 * cost[1]
    return far > 0 and 2 * far / max(cost[2], 1) > QUADRATIC_SHARE and far > QUADRATIC_GROWTH * near
