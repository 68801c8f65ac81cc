"""How many warps a kernel runs with and how deep it pipelines: raced on the GPU at hand, once for each shape.

The winner is kept by the process and on disk (Triton's cache folder), so that a machine measures a shape once and a
repeated run makes the same choice, hence the same bits. A shape is the widths, the chunk, the kind and the dtypes;
lengths and numbers of heads only change how often a program runs. Where nothing can be raced, in the interpreter and
when kernels are compiled without a GPU, the first configuration stands; so it does where MOVE37_RACE_KERNELS is 0: a
jailed run keeps no winner for the next one, which has to make the same bits.
"""

import os
from collections.abc import Callable
from typing import Any

import triton
from triton.runtime.autotuner import Autotuner

from kernels.recurrence.gpu.entry import interpreted

SHAPE = ("D", "K", "V", "C", "DECAY", "DELTA")
"""Arguments whose values make a new race; a kernel has some of them."""
STAGES = 3
"""Triton's own depth, which the first configuration has."""

Configuration = tuple[int, int]
"""Warps and stages."""


def raced(first: int, *others: Configuration, restored: tuple[str, ...] = ()) -> Callable[[Any], Autotuner]:
    """Decorate a kernel: `first` warps, or one of the `others` where that wins.

    `first` is chosen so that the compiled kernel keeps to its registers (`python -m benchmarks.aot_kernels`).
    `restored` names the tensors that the kernel reads and overwrites, since a race runs it many times.
    """
    alone = interpreted() or os.environ.get("MOVE37_RACE_KERNELS") == "0"
    contenders = [(first, STAGES)] if alone else [(first, STAGES), *others]
    configurations = [triton.Config({}, num_warps=warps, num_stages=stages) for warps, stages in contenders]
    return triton.autotune(configurations, key=list(SHAPE), restore_value=list(restored), cache_results=True)
