"""The fla form of a layer, seen as a mixer: hidden states in, the first of its outputs out, in the caller's dtype.

__init__(self, hidden_size, num_heads, ..., layer_idx=None, **kwargs)
forward(self, hidden_states, attention_mask=None, ...) -> tensor or (tensor, attentions, cache)
"""

import inspect

import torch
from torch import Tensor, nn

WIDTHS, HEADS = ("hidden_size", "d_model"), ("num_heads", "n_heads")
PROBE_LENGTH = 4


def is_fla_form(candidate: type[nn.Module]) -> bool:
    """Whether a class is constructed by fla's names, wherever they stand in its signature."""
    names = inspect.signature(candidate.__init__).parameters
    return "hidden_size" in names and "num_heads" in names


class FlaMixer(nn.Module):
    """A layer of fla's form as a mixer, [B, T, D] to [B, T, D].

    A layer that casts to bfloat16 by name fails on single precision weights; it is then run under autocast, which is
    found out once, by a short call when it is built.
    """

    def __init__(self, candidate: type[nn.Module], d_model: int, n_heads: int, layer_idx: int) -> None:
        """Build the layer. Raises whatever its constructor or its first call raises."""
        super().__init__()
        names = inspect.signature(candidate.__init__).parameters
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in names.values())
        more = {"layer_idx": layer_idx} if takes_any or "layer_idx" in names else {}
        self.layer = candidate(hidden_size=d_model, num_heads=n_heads, **more)
        self.autocast = self._needs_autocast(d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output in the dtype of x [B, T, D]."""
        return self._called(x, autocast=self.autocast).to(x.dtype)

    def _called(self, x: Tensor, *, autocast: bool) -> Tensor:
        """Return the first of the layer's outputs."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=autocast):
            y = self.layer(x)
        return y[0] if isinstance(y, tuple) else y

    def _needs_autocast(self, d_model: int) -> bool:
        """Whether a short call fails over mixed dtypes, and does not under autocast."""
        x = torch.zeros(1, PROBE_LENGTH, d_model)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            try:
                self._called(x, autocast=False)
            except RuntimeError as error:
                if "dtype" not in str(error) and "type" not in str(error):
                    raise
                self._called(x, autocast=True)
                return True
        return False
