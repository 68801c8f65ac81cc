"""Feature maps of linear attention, as modules."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stand_ins.fla.modules.activations import sqrelu

ReLUFeatureMap, SwishFeatureMap, SigmoidFeatureMap = nn.ReLU, nn.SiLU, nn.Sigmoid


class SquaredReLUFeatureMap(nn.Module):
    """relu(x)²."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of x [..., D]."""
        return sqrelu(x)


class GELUFeatureMap(nn.GELU):
    """gelu(x), by its tanh approximation."""

    def __init__(self) -> None:
        super().__init__(approximate="tanh")


class HedgehogFeatureMap(nn.Module):
    """softmax over Wx and -Wx concatenated; W starts as the identity (arXiv 2402.04347)."""

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


class HadamardFeatureMap(nn.Module):
    """The elementwise product of two linear maps."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.layer1, self.layer2 = nn.Linear(head_dim, head_dim), nn.Linear(head_dim, head_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of x [..., D]."""
        return self.layer1(x) * self.layer2(x)


class LearnableOuterProductFeatureMap(nn.Module):
    """The upper triangle of the outer product of two linear maps."""

    def __init__(self, head_dim: int, feature_dim: int) -> None:
        super().__init__()
        self.layer1 = nn.Linear(head_dim, feature_dim, bias=False)
        self.layer2 = nn.Linear(head_dim, feature_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features [..., F (F + 1) / 2] of x [..., D]."""
        return upper_products(self.layer1(x), self.layer2(x), 0)


class TaylorFeatureMap(nn.Module):
    """Features whose products are 1 + s + s² / 2 for s = q · k / sqrt(D) (arXiv 2402.18668)."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the features [..., 1 + D + D (D + 1) / 2] of x [..., D]."""
        root = math.sqrt(self.head_dim)
        squares, products = x.square() / (root * math.sqrt(2)), upper_products(x, x, 1) / root
        return torch.cat([torch.ones_like(x[..., :1]), x / math.sqrt(root), squares, products], -1)


class RebasedFeatureMap(nn.Module):
    """Features whose products are (q · k)² / D of normalised, scaled inputs (arXiv 2402.10644)."""

    def __init__(
        self,
        head_dim: int,
        use_gamma: bool | None = True,
        use_beta: bool | None = True,
        normalize: bool | None = True,
    ) -> None:
        super().__init__()
        self.head_dim, self.normalize = head_dim, normalize
        self.gamma = nn.Parameter(torch.ones(head_dim)) if use_gamma else None
        self.beta = nn.Parameter(torch.zeros(head_dim)) if use_beta else None

    def forward(self, x: Tensor, flatten: bool | None = True) -> Tensor:
        """Return the features [..., D (D + 1) / 2] of x [..., D]; without `flatten`, the scaled x."""
        x = F.layer_norm(x, (self.head_dim,)) if self.normalize else x
        x = x if self.gamma is None else x * self.gamma
        x = x if self.beta is None else x + self.beta
        if not flatten:
            return x
        return torch.cat([x.square(), math.sqrt(2) * upper_products(x, x, 1)], -1) / math.sqrt(self.head_dim)


def upper_products(x: Tensor, y: Tensor, diagonal: int) -> Tensor:
    """Return x_i y_j for all j >= i + diagonal, x and y [..., D]."""
    rows, columns = torch.triu_indices(x.shape[-1], x.shape[-1], diagonal, device=x.device)
    return x[..., rows] * y[..., columns]
