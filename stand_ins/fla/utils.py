"""fla's utilities: the device, and decorators that do nothing here."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch

device = device_name = "cuda" if torch.cuda.is_available() else "cpu"
device_platform = device
device_torch_lib = getattr(torch, device)
is_nvidia = IS_NVIDIA = device == "cuda"
is_amd = is_intel = is_npu = is_intel_alchemist = is_tf32_supported = is_gather_supported = False
is_nvidia_hopper = is_nvidia_blackwell = is_tma_supported = use_cuda_graph = False
IS_AMD = IS_INTEL = IS_NPU = IS_NVIDIA_HOPPER = IS_NVIDIA_BLACKWELL = IS_TMA_SUPPORTED = False
SUPPORTS_AUTOTUNE_CACHE = FLA_CI_ENV = False
autotune_cache_kwargs: dict[str, Any] = {}


def decorate_nothing(function: Callable | None = None, **_: Any) -> Any:
    """Return the function unchanged; usable as a decorator with or without arguments."""
    return function if function is not None else lambda decorated: decorated


input_guard = contiguous = checkpoint = tensor_cache = decorate_nothing
autocast_custom_fwd = autocast_custom_bwd = decorate_nothing


def deprecate_kwarg(*_: Any, **__: Any) -> Callable[[Callable], Callable]:
    """Return a decorator that does nothing: an argument keeps its old name."""
    return lambda function: function


def require_version(*_: Any) -> Callable[[Callable], Callable]:
    """Return a decorator that does nothing."""
    return lambda function: function


def custom_device_ctx(*_: Any) -> contextlib.AbstractContextManager[None]:
    """Return a context that changes nothing."""
    return contextlib.nullcontext()


def check_shared_mem(*_: Any, **__: Any) -> bool:
    """Return False: no kernel here uses shared memory."""
    return False


def check_pytorch_version(version: str = "2.4") -> bool:
    """Whether torch has at least a version."""
    return tuple(map(int, torch.__version__.split(".")[:2])) >= tuple(map(int, version.split(".")[:2]))


def get_multiprocessor_count(*_: Any) -> int:
    """Return 1: nothing here is sized by multiprocessors."""
    return 1


def get_available_device() -> str:
    """Return the kind of device that tensors are on."""
    return device
