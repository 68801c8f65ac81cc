"""The one function of the family, and the choice of who computes it."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from kernels.recurrence.arguments import Problem, canonical
from kernels.recurrence.chunked import chunked_recurrence
from kernels.recurrence.reference import reference_recurrence

Backend = Callable[[Problem, int], tuple[Tensor, Tensor]]

_BACKENDS: dict[str, Backend] = {"reference": reference_recurrence, "chunked": chunked_recurrence}


def available_backends() -> tuple[str, ...]:
    """The names that `linear_recurrence` accepts as `backend` besides "auto"."""
    return tuple(_BACKENDS)


def linear_recurrence(
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
    backend: "auto" | "reference" | "chunked" | ...; see `available_backends`.

    Returns (o [B, T, Hv, Dv] in the dtype of v, final state or None). Raises ValueError, in one line, for wrong
    shapes, dtypes, devices or chunk sizes, for positive decay (checked on the CPU only: reading values would stall a
    GPU), and for a backend that cannot run here.
    """
    if chunk_size not in (16, 32, 64, 128, 256):
        raise ValueError(f"chunk_size must be a power of two from 16 to 256, got {chunk_size}")
    bounds = None if cu_seqlens is None else _bounds(cu_seqlens, q)
    sequences = None if bounds is None else len(bounds) - 1
    problem = canonical(q, k, v, log_decay, beta, scale, initial_state, sequences)
    run = _choose(backend, problem)
    o, final = run(problem, chunk_size) if bounds is None else _packed(run, problem, bounds, chunk_size)
    return o, final if output_final_state else None


def _choose(backend: str, problem: Problem) -> Backend:
    """The function behind a backend's name."""
    if backend == "auto":
        # A handful of steps costs less in the loop than the chunk form's set-up.
        return reference_recurrence if problem.q.shape[1] <= 2 else chunked_recurrence
    if backend not in _BACKENDS:
        raise ValueError(f"unknown backend {backend!r}, expected auto, {', '.join(_BACKENDS)}")
    return _BACKENDS[backend]


def _bounds(cu_seqlens: Tensor, q: Tensor) -> list[int]:
    """The offsets as integers: rising from 0 to T, for one batch row."""
    bounds: list[int] = cu_seqlens.tolist()
    rising = all(a < b for a, b in pairwise(bounds))
    if q.ndim != 4 or q.shape[0] != 1 or bounds[:1] != [0] or bounds[-1] != q.shape[1] or not rising:
        raise ValueError(f"cu_seqlens must rise from 0 to T with batch 1, got {bounds} for q {list(q.shape)}")
    return bounds


def _packed(run: Backend, problem: Problem, bounds: list[int], chunk_size: int) -> tuple[Tensor, Tensor]:
    """Run each packed sequence on its own and join the outputs: ([1, T, H, Dv], [N, H, Dk, Dv])."""
    lengths = [b - a for a, b in pairwise(bounds)]

    def pieces(x: Tensor | None) -> list[Tensor | None]:
        return [None] * len(lengths) if x is None else list(x.split(lengths, dim=1))

    states = [None] * len(lengths) if problem.state is None else problem.state.split(1)
    parts = zip(*map(pieces, (problem.q, problem.k, problem.v, problem.log_decay, problem.beta)), states, strict=True)
    results = [run(Problem(q, k, v, g, b, problem.scale, s), chunk_size) for q, k, v, g, b, s in parts]  # pyright: ignore[reportArgumentType]
    return torch.cat([o for o, _ in results], dim=1), torch.cat([s for _, s in results])
