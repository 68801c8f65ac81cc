"""Warps and pipeline stages of a kernel: measured on the GPU in use, once for each shape.

The process and Triton's cache folder keep the fastest configuration. So a machine measures a shape once, and a repeated
run makes the same choice and computes the same bits. A shape is the widths, the chunk, the kind and the dtypes; lengths
and numbers of heads only change how often a program runs.

The first configuration stands if nothing can be measured: in the interpreter, and when kernels are compiled without a
GPU. It also stands if MOVE37_RACE_KERNELS is 0. A jailed run sets that: it can store no choice for its repetition,
which has to compute the same bits.
"""

import os
from collections.abc import Callable
from typing import Any

import triton
from triton.runtime.autotuner import Autotuner

from kernels.recurrence.gpu.interpreter import is_interpreted

SHAPE_ARGUMENTS = ("D", "K", "V", "C", "DECAY", "DELTA")
"""Arguments that make up a shape; each kernel has some of them."""
FIRST_STAGES = 3
"""Pipeline stages of the first configuration, Triton's default."""

Configuration = tuple[int, int]
"""Warps and stages."""


def autotuned(first_warps: int, *others: Configuration, restored: tuple[str, ...] = ()) -> Callable[[Any], Autotuner]:
    """Decorate a kernel so that it runs with `first_warps`, or with one of `others` if that is faster.

    `first_warps` is chosen so that the compiled kernel does not spill registers (`python -m benchmarks.aot_kernels`).
    `restored` names the tensors that the kernel reads and overwrites: measuring runs it many times.
    """
    fixed = is_interpreted() or os.environ.get("MOVE37_RACE_KERNELS") == "0"
    choices = [(first_warps, FIRST_STAGES), *(() if fixed else others)]
    configurations = [triton.Config({}, num_warps=warps, num_stages=stages) for warps, stages in choices]
    return triton.autotune(configurations, key=list(SHAPE_ARGUMENTS), restore_value=list(restored), cache_results=True)
