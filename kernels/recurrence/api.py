"""The one function of the family, and the choice of who computes it."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from kernels.recurrence.arguments import Problem, canonical
from kernels.recurrence.chunked import chunked_recurrence
from kernels.recurrence.gpu import entry as gpu
from kernels.recurrence.gpu.entry import triton_recurrence
from kernels.recurrence.native import entry as native
from kernels.recurrence.native.entry import native_recurrence
from kernels.recurrence.reference import reference_recurrence
from kernels.transforms import autocast_dtype, is_observed, is_transformed, without_autocast

Backend = Callable[[Problem, int], tuple[Tensor, Tensor]]

_BACKENDS: dict[str, Backend] = {
    "reference": reference_recurrence,
    "chunked": chunked_recurrence,
    "native": native_recurrence,
    "triton": triton_recurrence,
}


def available_backends() -> tuple[str, ...]:
    """Name what `linear_recurrence` accepts as `backend` on this machine, besides "auto"."""
    here = {"triton": torch.cuda.is_available() or gpu.interpreted(), "native": native.built()}
    return tuple(name for name in _BACKENDS if here.get(name, True))


def linear_recurrence(  # noqa: PLR0913 - the one function of the family; its optional arguments are keywords
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

    The write u_t is v_t where `beta` is None (additive rule), else beta_t (v_t - S^T k_t) (delta rule). Linear
    attention, RetNet, Mamba-2, GLA, DeltaNet, Gated DeltaNet and Kimi Delta Attention are settings of this function.

    q, k: [B, T, H, Dk]; v: [B, T, Hv, Dv] with Hv a multiple of H (each key head then serves Hv / H value heads).
    log_decay: None | [H] | [B, T, H] | [B, T, H, Dk], all <= 0; with grouped values H or Hv entries.
    beta: None | [B, T, H]. scale: defaults to Dk ** -0.5.
    initial_state: [B, Hv, Dk, Dv]. The final state is returned in fp32 (fp64 for fp64 inputs) when asked for.
    cu_seqlens: [N + 1] offsets of N sequences packed along time with B = 1; states then have N in place of B.
    chunk_size: upper bound of the chunk length of the chunked forms, a power of two from 16 to 256.
    backend: "auto" | "reference" | "chunked" | "native" | "triton"; see `available_backends`.

    Under autocast q, k and v are taken in its dtype, as every product of matrices is; decay, strength and states stay
    wide.

    Returns (o [B, T, Hv, Dv] in the dtype of v, final state or None). Raises ValueError, in one line, for wrong
    shapes, dtypes, devices or chunk sizes, for positive decay and wrong offsets (checked where the tensors are on the
    CPU: reading values would stall a GPU), and for a backend that cannot run here.
    """
    if chunk_size not in (16, 32, 64, 128, 256):
        raise ValueError(f"chunk_size must be a power of two from 16 to 256, got {chunk_size}")
    if cu_seqlens is not None:
        _check_offsets(cu_seqlens, q)
    narrow = autocast_dtype(q.device)
    if narrow is not None:
        q, k, v = (x if x.dtype == torch.float64 else x.to(narrow) for x in (q, k, v))
    problem = canonical(q, k, v, log_decay, beta, scale, initial_state, cu_seqlens)
    run = _choose(backend, problem)
    packs_itself = cu_seqlens is None or run is triton_recurrence
    with without_autocast(q.device):
        o, final = run(problem, chunk_size) if packs_itself else _one_by_one(run, problem, chunk_size)
    return o, final if output_final_state else None


def _choose(backend: str, problem: Problem) -> Backend:
    """Find the function behind a backend's name."""
    if backend == "auto":
        return _fastest(problem)
    if backend not in _BACKENDS:
        raise ValueError(f"unknown backend {backend!r}, expected auto, {', '.join(_BACKENDS)}")
    return _BACKENDS[backend]


def _fastest(problem: Problem) -> Backend:
    """Choose by device, size and dtype, and by who is looking."""
    looked_into = is_observed() or is_transformed(problem.q, problem.k, problem.v, problem.log_decay, problem.beta)
    if problem.q.device.type == "cuda" and gpu.obstacle(problem) is None and not looked_into:
        return triton_recurrence
    if problem.q.shape[1] <= 2:  # a step or two costs less in the loop than the set-up of any other form
        return reference_recurrence
    # Kernels can't be looked into: whoever counts their products sees none, and a compiler finds nothing to fuse.
    if looked_into or native.obstacle(problem) or native.outnumbered():
        return chunked_recurrence
    return native_recurrence


def _check_offsets(cu_seqlens: Tensor, q: Tensor) -> None:
    """Offsets must be integers that rise from 0 to T, for one batch row."""
    if cu_seqlens.ndim != 1 or cu_seqlens.is_floating_point() or len(cu_seqlens) < 2 or q.ndim != 4 or len(q) != 1:
        shapes = f"{cu_seqlens.dtype} {list(cu_seqlens.shape)} for q {list(q.shape)}"
        raise ValueError(f"cu_seqlens must be integers [N + 1] with batch 1, got {shapes}")
    if cu_seqlens.device.type == "cpu":
        bounds = cu_seqlens.tolist()
        if bounds[0] != 0 or bounds[-1] != q.shape[1] or any(a >= b for a, b in pairwise(bounds)):
            raise ValueError(f"cu_seqlens must rise from 0 to T = {q.shape[1]}, got {bounds}")


def _one_by_one(run: Backend, problem: Problem, chunk_size: int) -> tuple[Tensor, Tensor]:
    """Run each packed sequence on its own and join the outputs: ([1, T, H, Dv], [N, H, Dk, Dv])."""
    assert problem.cu_seqlens is not None
    results = []
    for n, (start, end) in enumerate(pairwise(problem.cu_seqlens.tolist())):
        tensors = problem.q, problem.k, problem.v, problem.log_decay, problem.beta
        q, k, v, log_decay, beta = (None if x is None else x[:, start:end] for x in tensors)
        assert q is not None
        assert k is not None
        assert v is not None
        state = None if problem.state is None else problem.state[n : n + 1]
        results.append(run(Problem(q, k, v, log_decay, beta, problem.scale, state), chunk_size))
    return torch.cat([o for o, _ in results], dim=1), torch.cat([s for _, s in results])
