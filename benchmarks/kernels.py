"""How fast the recurrence is on this machine, and whether it meets the speed targets: one JSON document on stdout.

    python -m benchmarks.kernels                  the CPU targets (`bars`), one thread, forward + backward
    python -m benchmarks.kernels --device cuda    against attention and, if it is installed, flash-linear-attention

Times are milliseconds of CPU time of this process, the smallest of several interleaved runs, so that other processes
disturb them little. On a GPU they are device milliseconds. A kind's name alone is the backend that "auto" takes, which
the bars are for; with " chunked" it is the chunked backend.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.kernels_gpu import LENGTHS as LENGTHS_GPU
from benchmarks.kernels_gpu import TOKENS, WIDTHS, gpu_report
from kernels import available_backends, causal_conv1d, linear_recurrence
from kernels.cases import KINDS, Case, draw

HEADS, WIDTH, CHUNK = 4, 64, 64
LENGTHS = 512, 1024, 4096
BAR_TIME_FACTOR = 10
"""The steps of the bars run this many times as long as a group of small ones: one round takes a second and a half."""
TAPS = 4
CONVOLUTION_SHAPES = ((16, 64, 32), (16, 64, 64), (4, 128, 64), (128, 8, 64))
"""(batch, length, width) of small experiments."""
SMALL_SHAPES = ((8, 64, 2, 16), (16, 128, 2, 32), (16, 128, 4, 32), (32, 256, 4, 16))
"""(batch, length, heads, width) of small experiments."""


def main() -> int:
    """Print the report; return 1 if a CPU bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seconds", type=float, default=3.0, help="time to spend on each group of steps")
    gpu = parser.add_argument_group("with --device cuda")
    gpu.add_argument("--kind", nargs="*", choices=tuple(KINDS), default=tuple(KINDS))
    gpu.add_argument("--width", nargs="*", type=int, default=WIDTHS, help="of a head")
    gpu.add_argument(
        "--length", nargs="*", type=int, default=LENGTHS_GPU, help=f"of a sequence, {TOKENS} tokens in all"
    )
    options = parser.parse_args()
    if options.device == "cuda":
        report = gpu_report(options.seconds, options.kind, options.width, options.length)
        print(json.dumps(report, indent=2))
        return 0
    report = cpu_report(options.seconds)
    print(json.dumps(report, indent=2))
    return 0 if all(bar["met"] for bar in report["bars"]) else 1


def cpu_report(seconds: float) -> dict[str, Any]:
    """Return times at T = 512, 1024 and 4096 and at the sizes of small experiments, and the bars computed from them.

    `seconds` is the time for each group of steps.
    """
    torch.set_num_threads(1)
    times, gemm = cpu_times(BAR_TIME_FACTOR * seconds)
    return {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "torch": torch.__version__,
            "threads": 1,
            "backends": available_backends(),
            "gemm_fp32_gflops": round(gemm, 1),
        },
        "shape": {"batch": 1, "heads": HEADS, "width": WIDTH, "chunk": CHUNK},
        "milliseconds": {f"T={length}": {k: round(v, 2) for k, v in row.items()} for length, row in times.items()},
        "small_milliseconds": {"B{} T{} H{} D{}".format(*shape): small_times(shape, seconds) for shape in SMALL_SHAPES},
        "convolution_milliseconds": {
            "B{} T{} D{}".format(*shape): convolution_times(shape, seconds) for shape in CONVOLUTION_SHAPES
        },
        "bars": bars(times, gemm),
    }


def bars(times: dict[int, dict[str, float]], gemm: float) -> list[dict[str, Any]]:
    """Return each bar with its measured value, from milliseconds by length and name, and the GEMM rate in GFLOP/s."""
    short, middle, long = times[512], times[1024], times[4096]
    rows = [
        _at_least("gated_delta over the loop, T=512", short["loop"] / short["gated_delta"], 10),
        _at_least("gated_delta over softmax attention, T=4096", long["softmax"] / long["gated_delta"], 2.5),
        _at_least("ssd over softmax attention, T=4096", long["softmax"] / long["ssd"], 8),
    ]
    for name, kind in KINDS.items():
        rate = 4096 * HEADS * flops_per_step(WIDTH, CHUNK, delta=kind.delta) / long[name] / 1e6
        rows.append(_at_least(f"{name} share of the GEMM rate, T=4096", rate / gemm, 0.3 if kind.delta else 0.5))
        rows.append(_at_most(f"{name} growth from T=1024 to T=4096", long[name] / middle[name], 4.4))
    return rows


def flops_per_step(width: int, chunk: int, *, delta: bool) -> float:
    """Return the floating point operations of the chunk form, forward and backward, for one step of one head.

    Forward: scores, attended values, read, write; the delta rule adds key scores, two products with the inverse, the
    removal and the inverse itself. Backward: as listed in `kernels/recurrence/chunked/slab.py`. The count is the same
    for every backend, although the native library needs fewer: its chunks are shorter, and it computes no inverse.
    """
    inside, across = 2 * chunk * width, 2 * width * width
    if not delta:
        return (2 * inside + 2 * across) + (5 * inside + 4 * across)
    return (5 * inside + 3 * across + 2 * chunk * chunk / 3) + (9 * inside + 6 * across)


def cpu_times(seconds: float) -> tuple[dict[int, dict[str, float]], float]:
    """Return milliseconds of forward + backward by length and name, and the GFLOP/s of one large fp32 matrix product.

    The steps are every kind in two backends, softmax attention, and the loop at T = 512. All are interleaved, so that
    a change of the machine's speed affects both sides of a bar.
    """
    steps = {length: training_steps(length) for length in LENGTHS}
    all_steps = {f"{length} {name}": step for length, of_length in steps.items() for name, step in of_length.items()}
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = smallest_times(all_steps | {"gemm": lambda: a @ b}, seconds)
    times = {length: {name: best[f"{length} {name}"] for name in of_length} for length, of_length in steps.items()}
    return times, 2 * 1024**3 / best["gemm"] / 1e6


def training_steps(length: int) -> dict[str, Callable[[], object]]:
    """Return the steps to measure at one length, by name."""
    cases = {name: draw(name, length=length, heads=HEADS, key_width=WIDTH, initial_state=False) for name in KINDS}
    steps = {name: training_step(case, "auto") for name, case in cases.items()}
    steps |= {f"{name} chunked": training_step(case, "chunked") for name, case in cases.items()}
    steps["softmax"] = softmax_step(cases["linear"])
    if length == 512:
        steps["loop"] = training_step(cases["gated_delta"], "reference")
    return steps


def small_times(shape: tuple[int, int, int, int], seconds: float) -> dict[str, float]:
    """Return milliseconds of forward + backward at the shape (batch, length, heads, width), by name."""
    batch, length, heads, width = shape
    steps = {}
    for name in KINDS:
        case = draw(name, batch=batch, length=length, heads=heads, key_width=width, initial_state=False)
        steps[name] = training_step(case, "auto")
        steps[f"{name} chunked"] = training_step(case, "chunked")
        steps["softmax"] = softmax_step(case)
    return {name: round(value, 3) for name, value in smallest_times(steps, seconds).items()}


def convolution_times(shape: tuple[int, int, int], seconds: float) -> dict[str, float]:
    """Return milliseconds of our short convolution and of the library's depthwise one, at (batch, length, width)."""
    x, weight = torch.randn(shape, requires_grad=True), torch.randn(shape[2], TAPS, requires_grad=True)
    d_o = torch.ones_like(x)

    def library() -> Tensor:
        return F.conv1d(F.pad(x.mT, (TAPS - 1, 0)), weight[:, None], groups=shape[2]).mT

    steps: dict[str, Callable[[], object]] = {
        "ours": lambda: torch.autograd.grad(causal_conv1d(x, weight)[0], (x, weight), d_o),
        "library": lambda: torch.autograd.grad(library(), (x, weight), d_o),
    }
    return {name: round(value, 3) for name, value in smallest_times(steps, seconds).items()}


def training_step(case: Case, backend: str) -> Callable[[], object]:
    """Return a function that runs one forward and backward of the recurrence."""
    leaves: dict[str, Any] = {name: x.requires_grad_() for name, x in case.tensors().items()}
    d_o = torch.ones_like(case.v)

    def step() -> object:
        o, _ = linear_recurrence(**leaves, backend=backend, chunk_size=CHUNK)
        return torch.autograd.grad(o, list(leaves.values()), d_o)

    return step


def softmax_step(case: Case) -> Callable[[], object]:
    """Return a function that runs one forward and backward of causal softmax attention on the same heads."""
    leaves: Any = [x.detach().transpose(1, 2).contiguous().requires_grad_() for x in (case.q, case.k, case.v)]
    d_o = torch.ones_like(leaves[2])

    def step() -> object:
        return torch.autograd.grad(F.scaled_dot_product_attention(*leaves, is_causal=True), leaves, d_o)

    return step


def smallest_times(steps: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Return the smallest CPU time of each step in milliseconds, over interleaved runs that see the same noise."""
    best = dict.fromkeys(steps, float("inf"))
    deadline = time.perf_counter() + seconds
    rounds = 0
    while rounds < 3 or time.perf_counter() < deadline:
        for name, run in steps.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], 1e3 * (time.process_time() - start))
        rounds += 1
    return best


def _at_least(name: str, value: float, bar: float) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "at_least": bar, "met": value >= bar}


def _at_most(name: str, value: float, bar: float) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "at_most": bar, "met": value <= bar}


if __name__ == "__main__":
    sys.exit(main())
