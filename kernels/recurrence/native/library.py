"""The compiled library: loaded from this folder for this processor's vector instructions, and called by address."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

_BUILDS = {"AVX512": ("avx512", "avx2", "portable"), "AVX2": ("avx2", "portable")}
"""For each capability that torch reports, the builds that such a processor can run, the fastest first."""


class NativeTensor(ctypes.Structure):
    """`recurrence::StridedTensor` of source/chunk.h: an address, and three strides in elements."""

    _fields_ = (("x", ctypes.c_void_p), *((name, ctypes.c_int64) for name in ("batch", "time", "head")))


class NativeCall(ctypes.Structure):
    """`recurrence::Call` of source/chunk.h: the tensors and sizes of one call."""

    _fields_ = (
        *((name, NativeTensor) for name in ("q", "k", "v")),
        *((name, ctypes.c_void_p) for name in ("log_decay", "beta")),
        *((name, ctypes.c_int64) for name in ("batch", "length", "heads", "key", "value", "kind", "chunk")),
        ("scale", ctypes.c_float),
    )


class NativeGradients(ctypes.Structure):
    """`recurrence::Gradients` of source/recurrence.cpp: the addresses that backward writes to."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("q", "k", "v", "log_decay", "beta"))


def addresses(tensors: Sequence[Tensor | None]) -> list[int | None]:
    """Return the addresses of contiguous fp32 tensors, and None for None."""
    assert all(x is None or (x.is_contiguous() and x.dtype == torch.float32) for x in tensors)
    return [None if x is None else x.data_ptr() for x in tensors]


def native_tensor(x: Tensor) -> NativeTensor:
    """Describe an fp32 tensor [B, T, H, D] whose rows of D numbers are contiguous; it is not copied."""
    assert 1 in {x.stride(3), x.shape[3]}
    assert x.dtype == torch.float32
    return NativeTensor(x.data_ptr(), *x.stride()[:3])


def _load() -> ctypes.CDLL | None:
    """Load the fastest build that this processor can run; return None if the folder has no build that fits."""
    folder = Path(__file__).parent
    for name in _BUILDS.get(torch.backends.cpu.get_cpu_capability(), ("portable",)):
        for path in folder.glob(f"_{name}.*"):
            library = _open(path)
            if library is not None:
                return library
    return None


def _open(path: Path) -> ctypes.CDLL | None:
    """Open one build; return None if it is of another system or of other sources, as it may be in a copied folder."""
    try:
        library = ctypes.CDLL(str(path))
        fits = library.move37_call_bytes() == ctypes.sizeof(NativeCall)
    except (OSError, AttributeError):
        return None
    if not fits:
        return None
    library.move37_forward.argtypes = [ctypes.c_void_p] * 5
    library.move37_backward.argtypes = [ctypes.c_void_p] * 6
    library.move37_forward.restype = library.move37_backward.restype = None
    return library


LIBRARY = _load()
"""The library, or None. Loaded on import: a jailed run forks from a process that has imported it, and may open none."""
