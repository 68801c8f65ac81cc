"""The recurrence on a GPU against attention and, where it is installed, flash-linear-attention.

A peer is a contestant at benchmark time only; nothing here is imported by the package. Batch times length is held
constant while the length grows, so that a linear form takes constant time.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels import linear_recurrence
from kernels.cases import KINDS, draw, relative_error

TOKENS = 65536
LENGTHS = (1024, 4096, 16384, 65536)
WIDTHS = (64, 128)
HEADS = 16
# kind -> (module, function) of the peer, and which of our arguments go by which of its names.
PEERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "linear": ("fla.ops.linear_attn", "chunk_linear_attn", {}),
    "retention": ("fla.ops.retention", "chunk_retention", {}),
    "ssd": ("fla.ops.simple_gla", "chunk_simple_gla", {"g": "log_decay"}),
    "gla": ("fla.ops.gla", "chunk_gla", {"g": "log_decay"}),
    "delta": ("fla.ops.delta_rule", "chunk_delta_rule", {"beta": "beta"}),
    "gated_delta": ("fla.ops.gated_delta_rule", "chunk_gated_delta_rule", {"g": "log_decay", "beta": "beta"}),
    "kda": ("fla.ops.kda", "chunk_kda", {"g": "log_decay", "beta": "beta"}),
}


def gpu_report(
    seconds: float,
    kinds: Sequence[str] = tuple(KINDS),
    widths: Sequence[int] = WIDTHS,
    lengths: Sequence[int] = LENGTHS,
    tokens: int = TOKENS,
) -> dict[str, Any]:
    """Forward, forward + backward and peak memory of every contestant, as plain data; each row is told on the way."""
    if not torch.cuda.is_available():
        raise SystemExit("no GPU is visible to torch; run without --device cuda for the CPU bars")
    rows: list[dict[str, Any]] = []
    for shape in product(widths, kinds, lengths):
        for row in _rows(*shape, tokens, seconds):
            print(json.dumps(row), file=sys.stderr, flush=True)
            rows.append(row)
    return {"machine": {"device": torch.cuda.get_device_name(), "torch": torch.__version__}, "rows": rows}


def _rows(width: int, name: str, length: int, tokens: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield one row a contestant at one shape."""
    case = draw(
        name, batch=tokens // length, length=length, heads=HEADS, key_width=width, dtype=torch.bfloat16, device="cuda",
        initial_state=False,
    )  # fmt: skip
    wide = {} if case.log_decay is None else {"log_decay": case.log_decay.float()}  # as layers make it
    leaves: dict[str, Any] = {key: x.requires_grad_() for key, x in (case.tensors() | wide).items()}
    runs = contestants(name, leaves)
    for contestant, forward in runs.items():
        measured = _measure(forward, list(leaves.values()), seconds)
        if contestant == "fla" and name != "retention":  # whose peer has decays of its own
            with torch.no_grad():
                measured["off_ours"] = round(relative_error(forward(), runs["move37"]()), 5)
        yield {"kind": name, "by": contestant, "T": length, "B": tokens // length, "D": width, **measured}


def contestants(name: str, leaves: dict[str, Any]) -> dict[str, Callable[[], Tensor]]:
    """Forward passes of ours, of the peer where it can be imported, and of attention (once, beside linear)."""
    runs: dict[str, Callable[[], Tensor]] = {"move37": lambda: linear_recurrence(**leaves)[0]}
    peer = peer_function(name)
    if peer is not None:
        extra: dict[str, Any] = {theirs: leaves[ours] for theirs, ours in PEERS[name][2].items()}
        if name == "linear":
            extra["normalize"] = False
        runs["fla"] = lambda: peer(leaves["q"], leaves["k"], leaves["v"], **extra)[0]
    if name == "linear":
        runs["softmax"] = lambda: F.scaled_dot_product_attention(
            *(leaves[key].transpose(1, 2) for key in "qkv"), is_causal=True
        )
    return runs


def peer_function(name: str) -> Callable[..., Any] | None:
    """Return the peer's function of this kind, None where the peer is not installed."""
    module, function, _ = PEERS[name]
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError):
        return None


def _measure(forward: Callable[[], Tensor], leaves: list[Tensor], seconds: float) -> dict[str, float]:
    """Median device milliseconds of forward and of forward + backward, and the peak memory of the latter in MiB."""
    slope = torch.ones_like(forward())

    def both() -> None:
        torch.autograd.grad(forward(), leaves, slope, allow_unused=True)

    with torch.no_grad():
        alone = _median(forward, seconds)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    together = _median(both, seconds)
    peak = (torch.cuda.max_memory_allocated() - before) / 2**20
    return {"forward_ms": round(alone, 3), "both_ms": round(together, 3), "peak_mib": round(peak, 1)}


def _median(run: Callable[[], object], seconds: float) -> float:
    """Median device milliseconds over as many runs as fit in the time, at least five, after a warm-up."""
    for _ in range(3):
        run()
    times: list[float] = []
    while len(times) < 5 or (sum(times) < 1e3 * seconds and len(times) < 100):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[len(times) // 2]
