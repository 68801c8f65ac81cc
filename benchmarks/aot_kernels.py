"""Compile every Triton kernel for real GPUs without one, and print its resources: one Markdown table on stdout.

    python -m benchmarks.aot_kernels                 sm_80 and sm_90, head widths 64 and 128
    python -m benchmarks.aot_kernels --width 256     another width

The benchmark records the launches of a real call instead of running them. It compiles each one with its own arguments
and block sizes, in its first configuration, since no GPU can measure the others. It exits with 1 if a kernel spills
more than SPILL_LIMITS allows.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.autotuner import Autotuner

from kernels.cases import KINDS, draw
from kernels.recurrence.arguments import canonical_inputs
from kernels.recurrence.gpu import launch
from kernels.recurrence.gpu.layout import batch_layout

CAPABILITIES = (80, 90)
_TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
_POINTERS = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16", torch.int32: "*i32"}

SPILL_LIMITS = {"gradient_kernel": 12}
"""Bytes that a kernel may spill, by its name; others none. On sm_80, gated delta rules would need eight warps."""


@dataclass(frozen=True)
class Launch:
    """One recorded launch."""

    kernel: Any
    signature: tuple[tuple[str, str], ...]
    """Triton's type of each argument, in order."""
    constants: tuple[tuple[str, Any], ...]
    aligned: tuple[str, ...]
    """Arguments that are divisible by 16."""
    options: tuple[tuple[str, int], ...]
    """Warps and pipeline stages."""


@dataclass(frozen=True)
class Resources:
    """The resources of one compiled kernel; stack, spilled and shared in bytes, registers per thread."""

    kernel: str
    kinds: str
    width: int
    capability: int
    registers: int
    stack: int
    spilled: int
    shared: int
    warps: int

    @property
    def over_limit(self) -> bool:
        """Whether the kernel spills, or uses the stack, more than its limit allows."""
        return bool(self.spilled or self.stack) and self.spilled > SPILL_LIMITS.get(self.kernel, -1)


def main() -> int:
    """Compile the kernels and print the table; return 1 if one is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, action="append", help="head width, may be repeated (default 64 and 128)")
    parser.add_argument("--capability", type=int, action="append", choices=CAPABILITIES)
    parser.add_argument("--kernel", default="", help="only kernels whose name contains this")
    options = parser.parse_args()
    rows = [
        compile_launch(launch_, kinds, width, capability)
        for width in options.width or (64, 128)
        for launch_, kinds in _merge({kind: record(kind, width) for kind in KINDS})
        if options.kernel in launch_.kernel.__name__
        for capability in options.capability or CAPABILITIES
    ]
    print(table(rows))
    failures = [row for row in rows if row.over_limit]
    for row in failures:
        print(f"{row.kernel} ({row.kinds}, D={row.width}, sm_{row.capability}) spills {row.spilled}", file=sys.stderr)
    return 1 if failures else 0


def record(kind: str, width: int) -> list[Launch]:
    """Record the launches of one forward and backward in bf16, at one head width, without computing anything."""
    case = draw(kind, length=256, heads=2, key_width=width, dtype=torch.bfloat16)
    inputs = canonical_inputs(case.q, case.k, case.v, case.log_decay, case.beta, None, case.initial_state)
    layout = batch_layout(1, 256, 64, torch.device("cpu"))
    q, k, v = (x.flatten(0, 1) for x in (inputs.q, inputs.k, inputs.v))
    decay, beta = (None if x is None else x.flatten(0, 1).contiguous() for x in (inputs.log_decay, inputs.beta))
    with _recording() as launches:
        o, final, saved = launch.forward(q, k, v, decay, beta, inputs.initial_state(), inputs.scale, layout)
        launch.backward(q, k, decay, beta, saved, o, final, inputs.scale, layout)
    return launches


@contextmanager
def _recording() -> Iterator[list[Launch]]:
    """Replace the kernels that `launch` uses with recorders."""
    launches: list[Launch] = []
    kernels = {name: value for name, value in vars(launch).items() if isinstance(value, Autotuner)}
    for name, kernel in kernels.items():
        setattr(launch, name, _Recorder(kernel, launches))
    try:
        yield launches
    finally:
        for name, kernel in kernels.items():
            setattr(launch, name, kernel)


class _Recorder:
    """Records the launches of the kernel that it replaces."""

    def __init__(self, kernel: Autotuner, launches: list[Launch]) -> None:
        config = kernel.configs[0]
        self.kernel: Any = kernel.fn
        self.options = (("num_warps", config.num_warps), ("num_stages", config.num_stages))
        self.launches = launches

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        """Accept a grid as kernels do."""
        assert all(n > 0 for n in grid)
        return self._record

    def _record(self, *positional: Any, **keywords: Any) -> None:
        """Make a signature from the arguments as a launch does: ones are constants, multiples of 16 are aligned."""
        arguments = dict(zip(self.kernel.arg_names, positional, strict=False)) | keywords
        signature, constants, aligned = [], [], []
        for name in self.kernel.arg_names:
            value = arguments[name]
            kind = _type_of(value)
            constant = name in keywords or (kind == "i32" and value == 1)
            signature.append((name, "constexpr" if constant else kind))
            if constant:
                constants.append((name, value))
            elif isinstance(value, Tensor) or (kind == "i32" and value % 16 == 0):
                aligned.append(name)
        self.launches.append(Launch(self.kernel, tuple(signature), tuple(constants), tuple(aligned), self.options))


def _type_of(value: Any) -> str:
    """Return Triton's name of an argument's type."""
    if isinstance(value, Tensor):
        return _POINTERS[value.dtype]
    return {bool: "i1", int: "i32", float: "fp32", str: "constexpr"}[type(value)]


def _merge(launches: dict[str, list[Launch]]) -> list[tuple[Launch, str]]:
    """Return each distinct launch once, with the names of its kinds."""
    kinds: dict[Launch, list[str]] = {}
    for kind, kind_launches in launches.items():
        for launch_ in kind_launches:
            kinds.setdefault(launch_, []).append(kind)
    pairs = ((launch_, ", ".join(names)) for launch_, names in kinds.items())
    return sorted(pairs, key=lambda pair: pair[0].kernel.__name__)


def compile_launch(launch_: Launch, kinds: str, width: int, capability: int) -> Resources:
    """Compile a launch for sm_<capability> and read the assembler's report."""
    names = launch_.kernel.arg_names
    attributes = {(names.index(name),): [["tt.divisibility", 16]] for name in launch_.aligned}
    source = ASTSource(launch_.kernel, dict(launch_.signature), dict(launch_.constants), attributes)
    target = GPUTarget("cuda", capability, 32)
    compiled: Any = triton.compile(source, target=target, options=dict(launch_.options))
    registers, stack, spilled = assemble(compiled.asm["ptx"])
    metadata = compiled.metadata
    name = launch_.kernel.__name__
    return Resources(name, kinds, width, capability, registers, stack, spilled, metadata.shared, metadata.num_warps)


def assemble(ptx: str) -> tuple[int, int, int]:
    """Return (registers a thread, stack bytes, bytes spilled) as ptxas reports them."""
    target = re.search(r"\.target (sm_\w+)", ptx)
    assert target is not None
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "kernel.ptx")
        text.write_text(ptx)
        command = [_TOOLS / "ptxas", "-v", f"--gpu-name={target.group(1)}", text, "-o", Path(folder, "kernel.cubin")]
        report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return (
        _figure(r"Used (\d+) registers", report),
        _figure(r"(\d+) bytes stack frame", report),
        _figure(r"(\d+) bytes spill stores", report),
    )


def _figure(pattern: str, text: str) -> int:
    """Return the number in the first match."""
    match = re.search(pattern, text)
    assert match is not None
    return int(match.group(1))


def table(rows: list[Resources]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| kernel | kinds | D | target | registers | stack B | spilled B | shared B | warps |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r.kernel} | {r.kinds} | {r.width} | sm_{r.capability} | {r.registers} | {r.stack} | {r.spilled} "
        f"| {r.shared} | {r.warps} |"
        for r in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
