"""In the place of an exported mixer, so that the files next to it can be checked and read here."""

from torch import Tensor, nn

from kernels.portable import advance

__all__ = ["DECODES", "Mixer", "advance"]
DECODES = True
"""Whether `advance` gives what the whole sequence gives."""


class Mixer(nn.Module):
    """Token mixer: [B, T, D] to [B, T, D], causal in time."""

    def __init__(self, d_model: int, n_heads: int, layer_idx: int = 0) -> None:
        """Build the projections."""
        super().__init__()
        self.n_heads, self.layer_idx = n_heads, layer_idx
        self.proj = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        return self.proj(x)
