"""Feature maps of linear attention, as modules."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ReLUFeatureMap(nn.Module):
    """relu(x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of x [..., D]."""
        return F.relu(x)


class HedgehogFeatureMap(nn.Module):
    """softmax of Wx and of -Wx, one after the other, with W the identity at first (arXiv 2402.04347)."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.layer = nn.Linear(head_dim, head_dim)
        nn.init.eye_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features [..., 2 D] of x [..., D]."""
        y = self.layer(x)
        return torch.cat([2 * y, -2 * y], -1).softmax(-1)


class T2RFeatureMap(nn.Module):
    """relu of a linear map (arXiv 2103.13076)."""

    def __init__(self, head_dim: int, dot_dim: int | None = None, bias: bool | None = False) -> None:
        super().__init__()
        self.layer = nn.Linear(head_dim, dot_dim or head_dim, bias=bool(bias))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of x [..., D]."""
        return self.layer(x).relu()


class DPFPFeatureMap(nn.Module):
    """Deterministic parameter-free projection (arXiv 2102.11174)."""

    def __init__(self, head_dim: int, nu: int = 4) -> None:  # noqa: ARG002 (fla's own arguments)
        super().__init__()
        self.nu = nu

    def forward(self, x: Tensor) -> Tensor:
        """Return the features [..., 2 D nu] of x [..., D]."""
        both = torch.cat([x.relu(), (-x).relu()], -1)
        return torch.cat([both] * self.nu, -1) * torch.cat([both.roll(j, -1) for j in range(1, self.nu + 1)], -1)
