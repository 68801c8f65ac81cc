"""The compiled library: found beside this file, loaded for this processor's vector instructions, called by address."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

# The best set of instructions comes first; `get_cpu_capability` is torch's word for what this processor has.
_BUILDS = {"AVX512": ("avx512", "avx2", "portable"), "AVX2": ("avx2", "portable")}


class NativeDimensions(ctypes.Structure):
    """`recurrence::Tokens` of source/chunk.h."""

    _fields_ = (("x", ctypes.c_void_p), *((name, ctypes.c_int64) for name in ("batch", "time", "head")))


class Call(ctypes.Structure):
    """`recurrence::Call` of source/chunk.h."""

    _fields_ = (
        *((name, NativeDimensions) for name in ("q", "k", "v")),
        *((name, ctypes.c_void_p) for name in ("log_decay", "beta")),
        *((name, ctypes.c_int64) for name in ("batch", "length", "heads", "key", "value", "kind", "chunk")),
        ("scale", ctypes.c_float),
    )


class Gradients(ctypes.Structure):
    """`recurrence::Gradients` of source/recurrence.cpp."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("q", "k", "v", "log_decay", "beta"))


def addresses(tensors: Sequence[Tensor | None]) -> list[int | None]:
    """Where the numbers of contiguous fp32 tensors lie; None for a tensor that is not there."""
    assert all(x is None or (x.is_contiguous() and x.dtype == torch.float32) for x in tensors)
    return [None if x is None else x.data_ptr() for x in tensors]


def tokens(x: Tensor) -> NativeDimensions:
    """Where the rows of an fp32 tensor [B, T, H, D] with contiguous rows lie."""
    assert 1 in {x.stride(3), x.shape[3]}
    assert x.dtype == torch.float32
    return NativeDimensions(x.data_ptr(), *x.stride()[:3])


def _load() -> ctypes.CDLL | None:
    """Load the library for this processor, None where none was built, or only for another system or of old sources."""
    folder = Path(__file__).parent
    for name in _BUILDS.get(torch.backends.cpu.get_cpu_capability(), ("portable",)):
        for path in folder.glob(f"_{name}.*"):
            try:
                library = ctypes.CDLL(str(path))
                fits = library.move37_call_bytes() == ctypes.sizeof(Call)
            except (OSError, AttributeError):  # a folder that was copied brings its libraries
                continue
            if not fits:
                continue
            library.move37_forward.argtypes = [ctypes.c_void_p] * 5
            library.move37_backward.argtypes = [ctypes.c_void_p] * 6
            library.move37_forward.restype = library.move37_backward.restype = None
            return library
    return None


# Loaded with the module: a jailed run forks from an interpreter that has imported it, and opens no library of its own.
LIBRARY = _load()
