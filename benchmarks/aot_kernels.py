"""Compile every Triton kernel for real GPUs without one, and print what each takes: one Markdown table on stdout.

    python -m benchmarks.aot_kernels                 sm_80 and sm_90, head widths 64 and 128
    python -m benchmarks.aot_kernels --width 256     another width

The launches are those of a real call: they are recorded instead of run, and each is compiled with the arguments and
block sizes that it was launched with, in its first configuration, since there is no GPU to race the others on. Exits 1
where a kernel spills more registers than EXCUSES allows.
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
from kernels.recurrence.arguments import canonical
from kernels.recurrence.gpu import launch
from kernels.recurrence.gpu.layout import batch_layout

CAPABILITIES = (80, 90)
_TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
_POINTERS = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16", torch.int32: "*i32"}

EXCUSES = {"gradient_kernel": 12}
"""Bytes that a kernel may spill, by its name: gated delta rules on sm_80, where eight warps would be needed."""


@dataclass(frozen=True)
class Launch:
    """One recorded launch."""

    kernel: Any
    signature: tuple[tuple[str, str], ...]
    constants: tuple[tuple[str, Any], ...]
    aligned: tuple[str, ...]
    options: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Resources:
    """What one compiled kernel takes."""

    kernel: str
    kinds: str
    width: int
    capability: int
    registers: int
    stack: int
    spilled: int
    shared: int
    warps: int


def main() -> int:
    """Compile, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, action="append", help="head width, may be repeated (default 64 and 128)")
    parser.add_argument("--capability", type=int, action="append", choices=CAPABILITIES)
    parser.add_argument("--kernel", default="", help="only kernels whose name contains this")
    arguments = parser.parse_args()
    rows = [
        row
        for width in arguments.width or (64, 128)
        for launches, kinds in _merge({kind: record(kind, width) for kind in KINDS})
        if arguments.kernel in launches.kernel.__name__
        for capability in arguments.capability or CAPABILITIES
        for row in [compile_launch(launches, kinds, width, capability)]
    ]
    print(table(rows))
    guilty = [row for row in rows if (row.spilled or row.stack) and row.spilled > EXCUSES.get(row.kernel, -1)]
    for row in guilty:
        print(f"{row.kernel} ({row.kinds}, D={row.width}, sm_{row.capability}) spills {row.spilled}", file=sys.stderr)
    return 1 if guilty else 0


def record(kind: str, width: int) -> list[Launch]:
    """Record the launches of one forward and backward in bf16; nothing is computed."""
    case = draw(kind, length=256, heads=2, key_width=width, dtype=torch.bfloat16)
    problem = canonical(case.q, case.k, case.v, case.log_decay, case.beta, None, case.initial_state)
    assert problem.state is not None
    layout = batch_layout(1, 256, 64, torch.device("cpu"))
    q, k, v = (x.flatten(0, 1) for x in (problem.q, problem.k, problem.v))
    decay, beta = (None if x is None else x.flatten(0, 1).contiguous() for x in (problem.log_decay, problem.beta))
    with _recording() as launches:
        o, final, saved = launch.forward(q, k, v, decay, beta, problem.state, problem.scale, layout)
        launch.backward(q, k, decay, beta, saved, o, final, problem.scale, layout)
    return launches


@contextmanager
def _recording() -> Iterator[list[Launch]]:
    """Replace the kernels that `launch` uses by recorders."""
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
    """Stands where a kernel stands and notes how it is launched."""

    def __init__(self, kernel: Autotuner, launches: list[Launch]) -> None:
        first = kernel.configs[0]
        self.kernel: Any = kernel.fn
        self.options = (("num_warps", first.num_warps), ("num_stages", first.num_stages))
        self.launches = launches

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        """Accept a grid as kernels do."""
        assert all(n > 0 for n in grid)
        return self._note

    def _note(self, *positional: Any, **named: Any) -> None:
        """Turn arguments into a signature: ones become constants and sixteens are told, as a real launch does."""
        arguments = dict(zip(self.kernel.arg_names, positional, strict=False)) | named
        signature, constants, aligned = [], [], []
        for name in self.kernel.arg_names:
            value = arguments[name]
            kind = _type_of(value)
            constant = name in named or (kind == "i32" and value == 1)
            signature.append((name, "constexpr" if constant else kind))
            if constant:
                constants.append((name, value))
            elif isinstance(value, Tensor) or (kind == "i32" and value % 16 == 0):
                aligned.append(name)
        launch_ = Launch(self.kernel, tuple(signature), tuple(constants), tuple(aligned), self.options)
        self.launches.append(launch_)


def _type_of(value: Any) -> str:
    """Triton's name of an argument's type."""
    if isinstance(value, Tensor):
        return _POINTERS[value.dtype]
    return {bool: "i1", int: "i32", float: "fp32", str: "constexpr"}[type(value)]


def _merge(recorded: dict[str, list[Launch]]) -> list[tuple[Launch, str]]:
    """Return launches that are the same for several kinds, once, with the kinds' names."""
    kinds: dict[Launch, list[str]] = {}
    for kind, launches in recorded.items():
        for one in launches:
            kinds.setdefault(one, []).append(kind)
    return sorted(((one, ", ".join(names)) for one, names in kinds.items()), key=lambda pair: pair[0].kernel.__name__)


def compile_launch(one: Launch, kinds: str, width: int, capability: int) -> Resources:
    """Compile for sm_<capability> and read what the assembler says."""
    names = one.kernel.arg_names
    attributes = {(names.index(name),): [["tt.divisibility", 16]] for name in one.aligned}
    source = ASTSource(one.kernel, dict(one.signature), dict(one.constants), attributes)
    compiled: Any = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=dict(one.options))
    registers, stack, spilled = assemble(compiled.asm["ptx"])
    metadata = compiled.metadata
    name = one.kernel.__name__
    return Resources(name, kinds, width, capability, registers, stack, spilled, metadata.shared, metadata.num_warps)


def assemble(ptx: str) -> tuple[int, int, int]:
    """Return (registers a thread, stack bytes, bytes spilled) as ptxas reports them."""
    target = re.search(r"\.target (sm_\w+)", ptx)
    assert target is not None
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "kernel.ptx")
        text.write_text(ptx)
        command = [_TOOLS / "ptxas", "-v", f"--gpu-name={target.group(1)}", text, "-o", Path(folder, "kernel.cubin")]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return (
        _figure(r"Used (\d+) registers", said),
        _figure(r"(\d+) bytes stack frame", said),
        _figure(r"(\d+) bytes spill stores", said),
    )


def _figure(pattern: str, text: str) -> int:
    """Return the first number that matches."""
    found = re.search(pattern, text)
    assert found is not None
    return int(found.group(1))


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
