"""The recurrence as one function, and the choice of the backend that computes it."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from kernels.recurrence.arguments import RecurrenceInputs, canonical_inputs
from kernels.recurrence.chunked.entry import chunked_recurrence
from kernels.recurrence.gpu import entry as gpu
from kernels.recurrence.gpu.interpreter import is_interpreted
from kernels.recurrence.native import entry as native
from kernels.recurrence.reference import reference_recurrence
from kernels.transforms import autocast_dtype, is_observed, is_transformed, without_autocast

Backend = Callable[[RecurrenceInputs, int], tuple[Tensor, Tensor]]
"""A function from canonical inputs and a chunk size to (o, final state)."""

_BACKENDS: dict[str, Backend] = {
    "reference": reference_recurrence,
    "chunked": chunked_recurrence,
    "native": native.native_recurrence,
    "triton": gpu.triton_recurrence,
}
_MAX_REFERENCE_STEPS = 2
"""Steps up to which setting up another backend costs more than the loop of the reference."""


def available_backends() -> tuple[str, ...]:
    """Return the names that `linear_recurrence` accepts as `backend` on this machine, as well as "auto"."""
    optional = {"triton": torch.cuda.is_available() or is_interpreted(), "native": native.is_built()}
    return tuple(name for name in _BACKENDS if optional.get(name, True))


def linear_recurrence(  # noqa: PLR0913 - all mixers share this function; its optional arguments are keywords
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    log_decay: Tensor | None = None,
    beta: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    chunk_size: int = 64,
    backend: str = "auto",
) -> tuple[Tensor, Tensor | None]:
    """Decay, write, read: S <- diag(exp(g_t)) S; S <- S + k_t u_t^T; o_t = scale * S^T q_t, for every head.

    The write u_t is v_t if `beta` is None (additive rule), else beta_t (v_t - S^T k_t) (delta rule). Many
    papers' mixers are settings of this function; `kernels/README.md` lists them.

    q, k: [B, T, H, Dk]; v: [B, T, Hv, Dv] with Hv a multiple of H (each key head then serves Hv / H value heads).
    log_decay: None | [H] | [B, T, H] | [B, T, H, Dk], all <= 0; with grouped values H or Hv entries.
    beta: None | [B, T, H]. scale: defaults to Dk ** -0.5.
    initial_state: [B, Hv, Dk, Dv]. The final state, if requested, is fp32 (fp64 for fp64 inputs).
    cu_seqlens: [N + 1] offsets of N sequences packed along time with B = 1; states then have N in place of B.
    chunk_size: upper bound of the chunk length of the chunked forms, a power of two from 16 to 256.
    backend: "auto" | "reference" | "chunked" | "native" | "triton"; see `available_backends`.
    Under autocast, q, k and v are cast to its dtype; log_decay, beta and states are not.

    Returns (o [B, T, Hv, Dv] in the dtype of v, final state or None). Raises ValueError for wrong shapes, dtypes,
    devices or chunk sizes, and for a backend that cannot run here. It also raises ValueError for positive decay and
    wrong offsets if the tensors are on the CPU; reading values would stall a GPU.
    """
    _check_chunk_size(chunk_size)
    if cu_seqlens is not None:
        _check_offsets(cu_seqlens, q)
    q, k, v = _in_autocast_dtype(q, k, v)
    inputs = canonical_inputs(q, k, v, log_decay, beta, scale, initial_state, cu_seqlens)
    run = _choose(backend, inputs)
    one_by_one = cu_seqlens is not None and run is not gpu.triton_recurrence  # Triton handles packed sequences itself
    with without_autocast(q.device):
        o, final = _run_one_by_one(run, inputs, chunk_size) if one_by_one else run(inputs, chunk_size)
    return o, final if output_final_state else None


def _choose(backend: str, inputs: RecurrenceInputs) -> Backend:
    """Return the backend of that name, or the fastest for "auto". Raises ValueError for an unknown name."""
    if backend == "auto":
        return _fastest(inputs)
    if backend not in _BACKENDS:
        raise ValueError(f"unknown backend {backend!r}, expected auto, {', '.join(_BACKENDS)}")
    return _BACKENDS[backend]


def _fastest(inputs: RecurrenceInputs) -> Backend:
    """Choose by device, size and dtype, and by whether the operations are observed or transformed."""
    traced = is_observed() or is_transformed(inputs.q, inputs.k, inputs.v, inputs.log_decay, inputs.beta)
    if inputs.q.device.type == "cuda" and gpu.obstacle(inputs) is None and not traced:
        return gpu.triton_recurrence
    if inputs.q.shape[1] <= _MAX_REFERENCE_STEPS:
        return reference_recurrence
    # A kernel hides its operations: a FLOP counter would count none, and a compiler would find nothing to fuse.
    if traced or native.obstacle(inputs) or native.has_many_threads():
        return chunked_recurrence
    return native.native_recurrence


def _in_autocast_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Cast all but fp64 tensors to autocast's dtype, if autocast is on."""
    dtype = autocast_dtype(tensors[0].device)
    return tensors if dtype is None else tuple(x if x.dtype == torch.float64 else x.to(dtype) for x in tensors)


def _check_chunk_size(chunk_size: int) -> None:
    if chunk_size not in (16, 32, 64, 128, 256):
        raise ValueError(f"chunk_size must be a power of two from 16 to 256, got {chunk_size}")


def _check_offsets(cu_seqlens: Tensor, q: Tensor) -> None:
    """Check that the offsets are integers that rise from 0 to T, and that the batch is 1."""
    if cu_seqlens.ndim != 1 or cu_seqlens.is_floating_point() or len(cu_seqlens) < 2 or q.ndim != 4 or len(q) != 1:
        shapes = f"{cu_seqlens.dtype} {list(cu_seqlens.shape)} for q {list(q.shape)}"
        raise ValueError(f"cu_seqlens must be integers [N + 1] with batch 1, got {shapes}")
    if cu_seqlens.device.type == "cpu":
        bounds = cu_seqlens.tolist()
        if bounds[0] != 0 or bounds[-1] != q.shape[1] or any(a >= b for a, b in pairwise(bounds)):
            raise ValueError(f"cu_seqlens must rise from 0 to T = {q.shape[1]}, got {bounds}")


def _run_one_by_one(run: Backend, inputs: RecurrenceInputs, chunk_size: int) -> tuple[Tensor, Tensor]:
    """Run each packed sequence alone and join the results: ([1, T, H, Dv], [N, H, Dk, Dv])."""
    assert inputs.cu_seqlens is not None
    results = []
    for n, (start, end) in enumerate(pairwise(inputs.cu_seqlens.tolist())):
        steps = slice(start, end)
        log_decay, beta = (None if x is None else x[:, steps] for x in (inputs.log_decay, inputs.beta))
        state = None if inputs.state is None else inputs.state[n : n + 1]
        vectors = inputs.q[:, steps], inputs.k[:, steps], inputs.v[:, steps]
        results.append(run(RecurrenceInputs(*vectors, log_decay, beta, inputs.scale, state), chunk_size))
    return torch.cat([o for o, _ in results], dim=1), torch.cat([s for _, s in results])
