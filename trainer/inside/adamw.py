"""AdamW (Loshchilov and Hutter, arXiv 1711.05101) on PyTorch's fused kernel, with clipping and two weight decays.

`torch.optim.AdamW` has the same arithmetic (a test compares them). But building one imports all of torch._dynamo, which
takes seconds and 80 MB in every jailed run, and a run takes about ten seconds.
"""

# ruff: noqa: SLF001
from collections.abc import Iterator

import torch
from torch import Tensor, nn

EPSILON = 1e-8

# Kernels on lists of tensors, for which PyTorch has no public names. Each is named with its overload: otherwise PyTorch
# tries the overloads in turn, and every failure formats its tensors into an error message.
_ops = torch.ops.aten
_norms, _scale = _ops._foreach_norm.Scalar, _ops._foreach_mul_.Tensor
_add, _adamw = _ops._foreach_add_.Scalar, _ops._fused_adamw_.default


class AdamW:
    """Updates a model's trainable parameters. Weight decay applies to matrices, not to vectors and scalars."""

    def __init__(self, model: nn.Module, betas: tuple[float, float], weight_decay: float, clip: float) -> None:
        """Take the parameters that require a gradient; `clip` is the largest norm of all gradients together."""
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._groups = [
            _Group({name: p for name, p in trainable.items() if p.ndim > 1}, weight_decay),
            _Group({name: p for name, p in trainable.items() if p.ndim <= 1}, 0.0),
        ]
        self._betas, self._clip = betas, clip

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Clip the gradients and apply them. A parameter without a gradient does not change."""
        gradients = [p.grad for group in self._groups for p in group.parameters if p.grad is not None]
        if not gradients:
            return
        norm = torch.linalg.vector_norm(torch.stack(_norms(gradients)))
        _scale(gradients, (self._clip / (norm + 1e-6)).clamp(max=1.0))
        for group in self._groups:
            group.apply(learning_rate, self._betas)

    def zero_grad(self) -> None:
        """Remove all gradients."""
        for group in self._groups:
            for parameter in group.parameters:
                parameter.grad = None

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the optimiser's state; each tensor is named after its parameter."""
        for group in self._groups:
            yield from group.named_tensors()


class _Group:
    """Parameters with one weight decay, and their moments."""

    def __init__(self, parameters: dict[str, Tensor], weight_decay: float) -> None:
        self._names, self.parameters = list(parameters), list(parameters.values())
        self._decay = weight_decay
        self._first = [torch.zeros_like(p) for p in self.parameters]
        self._second = [torch.zeros_like(p) for p in self.parameters]
        self._steps = [torch.zeros((), device=p.device) for p in self.parameters]

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield both moments and the number of steps of every parameter."""
        for kind, tensors in (("first", self._first), ("second", self._second), ("steps", self._steps)):
            yield from ((f"{kind}.{name}", tensor) for name, tensor in zip(self._names, tensors, strict=True))

    def apply(self, learning_rate: float, betas: tuple[float, float]) -> None:
        """Take one step on the parameters that have a gradient."""
        live = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        if not live:
            return
        _add([self._steps[i] for i in live], 1)
        _adamw(
            [self.parameters[i] for i in live],
            [self.parameters[i].grad for i in live],
            [self._first[i] for i in live],
            [self._second[i] for i in live],
            [],
            [self._steps[i] for i in live],
            lr=learning_rate,
            beta1=betas[0],
            beta2=betas[1],
            weight_decay=self._decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
