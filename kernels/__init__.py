"""Building blocks of token mixers: one linear recurrence at several speeds, and the small operators around it.

    from kernels import linear_recurrence
    o, state = linear_recurrence(q, k, v, log_decay=g, beta=beta, output_final_state=True)

`kernels/README.md` has the mathematics and the table from each paper's symbols to these arguments.

Importing this package does not import torch: each name is imported on first use. A library that looks for another
package called `kernels`, as an optional dependency, finds this one and executes it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernels.convolution import causal_conv1d
    from kernels.cross_entropy import linear_cross_entropy
    from kernels.feature_maps import FEATURE_MAPS, feature_map
    from kernels.normalization import rms_norm
    from kernels.recurrence.api import available_backends, linear_recurrence
    from kernels.recurrence.generalized import generalized_delta
    from kernels.recurrence.step import recurrence_step
    from kernels.rotation import rotary
    from kernels.window import window_attention

__all__ = [
    "FEATURE_MAPS",
    "available_backends",
    "causal_conv1d",
    "feature_map",
    "generalized_delta",
    "linear_cross_entropy",
    "linear_recurrence",
    "recurrence_step",
    "rms_norm",
    "rotary",
    "window_attention",
]

_MODULES = {
    "FEATURE_MAPS": "kernels.feature_maps",
    "available_backends": "kernels.recurrence.api",
    "causal_conv1d": "kernels.convolution",
    "feature_map": "kernels.feature_maps",
    "generalized_delta": "kernels.recurrence.generalized",
    "linear_cross_entropy": "kernels.cross_entropy",
    "linear_recurrence": "kernels.recurrence.api",
    "recurrence_step": "kernels.recurrence.step",
    "rms_norm": "kernels.normalization",
    "rotary": "kernels.rotation",
    "window_attention": "kernels.window",
}


def __getattr__(name: str) -> object:
    """Import the module that holds `name` on first use (PEP 562). Raises AttributeError for an unknown name."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'kernels' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
