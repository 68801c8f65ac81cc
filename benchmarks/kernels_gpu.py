"""The recurrence on a GPU against attention and, if it is installed, flash-linear-attention (fla).

Only this benchmark imports fla; `kernels` does not. Batch times length is constant while the length grows, so that a
linear form takes constant time.
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
# For each kind the module and the function of fla, and from its argument names to ours.
FLA_FUNCTIONS: dict[str, tuple[str, str, dict[str, str]]] = {
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
    """Return forward and forward + backward times and peak memory of every form, and print each row to stderr.

    `seconds` is the time for each measurement, `tokens` is batch times length. Raises SystemExit without a GPU.
    """
    if not torch.cuda.is_available():
        raise SystemExit("no GPU is visible to torch; hint: run without --device cuda for the CPU bars")
    rows: list[dict[str, Any]] = []
    for shape in product(widths, kinds, lengths):
        for row in _rows(*shape, tokens, seconds):
            print(json.dumps(row), file=sys.stderr, flush=True)
            rows.append(row)
    return {"machine": {"device": torch.cuda.get_device_name(), "torch": torch.__version__}, "rows": rows}


def _rows(width: int, name: str, length: int, tokens: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield one row for each form at one shape."""
    case = draw(
        name, batch=tokens // length, length=length, heads=HEADS, key_width=width, dtype=torch.bfloat16, device="cuda",
        initial_state=False,
    )  # fmt: skip
    fp32 = {} if case.log_decay is None else {"log_decay": case.log_decay.float()}  # as layers compute it
    leaves: dict[str, Any] = {key: x.requires_grad_() for key, x in (case.tensors() | fp32).items()}
    forms = forward_passes(name, leaves)
    for form, forward in forms.items():
        figures = _measure(forward, list(leaves.values()), seconds)
        if form == "fla" and name != "retention":  # fla's retention sets its own decays
            with torch.no_grad():
                figures["off_ours"] = round(relative_error(forward(), forms["move37"]()), 5)
        yield {"kind": name, "by": form, "T": length, "B": tokens // length, "D": width, **figures}


def forward_passes(name: str, leaves: dict[str, Any]) -> dict[str, Callable[[], Tensor]]:
    """Return the forward passes of our recurrence, of fla if it is installed, and for "linear" of attention."""
    forms: dict[str, Callable[[], Tensor]] = {"move37": lambda: linear_recurrence(**leaves)[0]}
    function = fla_function(name)
    if function is not None:
        extra: dict[str, Any] = {fla_name: leaves[our_name] for fla_name, our_name in FLA_FUNCTIONS[name][2].items()}
        if name == "linear":
            extra["normalize"] = False
        forms["fla"] = lambda: function(leaves["q"], leaves["k"], leaves["v"], **extra)[0]
    if name == "linear":
        forms["softmax"] = lambda: F.scaled_dot_product_attention(
            *(leaves[key].transpose(1, 2) for key in "qkv"), is_causal=True
        )
    return forms


def fla_function(name: str) -> Callable[..., Any] | None:
    """Return fla's function of this kind, or None if fla is not installed."""
    module, function, _ = FLA_FUNCTIONS[name]
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError):
        return None


def _measure(forward: Callable[[], Tensor], leaves: list[Tensor], seconds: float) -> dict[str, float]:
    """Return median device milliseconds of forward and of forward + backward, and the peak MiB of the latter."""
    d_o = torch.ones_like(forward())

    def forward_and_backward() -> None:
        torch.autograd.grad(forward(), leaves, d_o, allow_unused=True)

    with torch.no_grad():
        forward_ms = _median(forward, seconds)
    torch.cuda.reset_peak_memory_stats()
    initial_bytes = torch.cuda.memory_allocated()
    both_ms = _median(forward_and_backward, seconds)
    peak = (torch.cuda.max_memory_allocated() - initial_bytes) / 2**20
    return {"forward_ms": round(forward_ms, 3), "both_ms": round(both_ms, 3), "peak_mib": round(peak, 1)}


def _median(run: Callable[[], object], seconds: float) -> float:
    """Return median device milliseconds over the runs that fit in the time, at least five, after a warm-up."""
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
