"""fla's MLP, its linear maps of few bits or in groups, and its losses."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stand_ins.fla.modules.activations import swiglu

FusedCrossEntropyLoss = nn.CrossEntropyLoss


class GatedMLP(nn.Module):
    """down(silu(gate(x)) * up(x)); the inner width is 8/3 of the outer, rounded up to a multiple of 256."""

    def __init__(
        self,
        hidden_size: int,
        hidden_ratio: int | None = None,
        intermediate_size: int | None = None,
        hidden_act: str = "swish",
        fuse_swiglu: bool = True,  # noqa: ARG002 (fla's own arguments)
        **_: object,
    ) -> None:
        super().__init__()
        if hidden_act not in {"swish", "silu"}:
            raise ValueError(f"hidden_act {hidden_act!r} is not swish")
        ratio = 4 if hidden_ratio is None else hidden_ratio
        inner = intermediate_size or 256 * -(-int(hidden_size * ratio * 2 / 3) // 256)
        self.gate_proj = nn.Linear(hidden_size, inner, bias=False)
        self.up_proj = nn.Linear(hidden_size, inner, bias=False)
        self.down_proj = nn.Linear(inner, hidden_size, bias=False)

    def forward(self, x: Tensor, **_: object) -> Tensor:
        """Map x [..., D]."""
        return self.down_proj(swiglu(self.gate_proj(x), self.up_proj(x)))


class FusedLinearCrossEntropyLoss(nn.Module):
    """Cross entropy of a linear map."""

    def forward(self, x: Tensor, target: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the mean loss of hidden states x [N, D] against targets [N]."""
        return F.cross_entropy(F.linear(x, weight, bias), target)


class BitLinear(nn.Linear):
    """A linear map with weights of -1, 0, 1 and 8-bit activations (arXiv 2402.17764); gradients ignore the rounding."""

    def __init__(self, in_features: int, out_features: int, bias: bool = False, norm_eps: float = 1e-8) -> None:
        super().__init__(in_features, out_features, bias)
        self.norm = nn.RMSNorm(in_features, eps=norm_eps)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override] (fla's own name)
        """Map x [..., D]."""
        y = self.norm(x)
        scale = 127 / y.abs().amax(-1, keepdim=True).clamp_min(1e-5)
        magnitude = self.weight.abs().mean().clamp_min(1e-5)
        y = y + ((y * scale).round().clamp(-128, 127) / scale - y).detach()
        weight = self.weight + ((self.weight / magnitude).round().clamp(-1, 1) * magnitude - self.weight).detach()
        return F.linear(y, weight, self.bias)


FusedBitLinear = BitLinear


class GroupedLinear(nn.Module):
    """A linear map of each group of features: a block-diagonal matrix."""

    def __init__(self, in_features: int, out_features: int, groups: int = 1, bias: bool = True) -> None:
        super().__init__()
        if in_features % groups or out_features % groups:
            raise ValueError(f"{groups} groups don't divide {in_features} and {out_features} features")
        block = nn.Linear(in_features // groups, out_features // groups)
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(groups, *block.weight.shape))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        nn.init.uniform_(self.weight, -(block.in_features**-0.5), block.in_features**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [..., D]."""
        y = torch.einsum("...gi,goi->...go", x.unflatten(-1, (self.groups, -1)), self.weight).flatten(-2)
        return y if self.bias is None else y + self.bias
