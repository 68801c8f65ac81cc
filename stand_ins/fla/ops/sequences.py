"""An operator written for whole sequences, [B, T, H, ...], also takes packed ones, and heads before time."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

Operator = Callable[..., tuple[Tensor, Any]]
"""(tensors, scale=, initial_state=, ...) -> (o [B, T, ...], final state: a tensor or a tuple of them)."""
AROUND = {"output_final_state": False, "cu_seqlens": None, "head_first": False}
"""What comes behind an operator's own arguments, and its default."""


def on_sequences(operator: Operator) -> Operator:
    """Return the operator with fla's `output_final_state`, `cu_seqlens` and `head_first` behind its own arguments.

    A tensor lies along time where its second axis (the third, where heads come first) is as long as the first one's.
    """
    own = signature(operator)
    around = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default) for name, default in AROUND.items()]
    known = own.replace(parameters=[*own.parameters.values(), *around])

    @wraps(operator)
    def run(*given: Any, **named: Any) -> tuple[Tensor, Any]:
        named = {name: value for name, value in named.items() if name in known.parameters}
        arguments = known.bind(*given, **named).arguments
        output_final_state, cu_seqlens, head_first = (arguments.pop(name, value) for name, value in AROUND.items())
        first = next(iter(arguments.values()))
        if head_first:
            arguments = {name: _turned(value, first.ndim - 1) for name, value in arguments.items()}
            first = first.transpose(1, 2)
        if cu_seqlens is None:
            o, state = operator(**arguments)
        else:
            o, state = _packed(operator, arguments, first.shape[1], cu_seqlens)
        return (o.transpose(1, 2) if head_first else o), (state if output_final_state else None)

    return run


def _turned(value: Any, least: int) -> Any:
    """Return a tensor of [B, H, T, ...] as [B, T, H, ...]; what has fewer axes stays."""
    return value.transpose(1, 2) if isinstance(value, Tensor) and value.ndim >= least else value


def _packed(operator: Operator, arguments: dict[str, Any], length: int, cu_seqlens: Tensor) -> tuple[Tensor, Any]:
    """Run each of the sequences packed along time by itself."""
    outputs, states = [], []
    for number, (start, end) in enumerate(pairwise(cu_seqlens.tolist())):
        piece = {name: _cut(name, value, length, slice(start, end), number) for name, value in arguments.items()}
        o, state = operator(**piece)
        outputs.append(o)
        states.append(state)
    joined = tuple(map(torch.cat, zip(*states, strict=True))) if isinstance(states[0], tuple) else torch.cat(states)
    return torch.cat(outputs, 1), joined


def _cut(name: str, value: Any, length: int, where: slice, number: int) -> Any:
    """Return one sequence's part of an argument."""
    if name == "initial_state":
        own = slice(number, number + 1)
        return (
            tuple(part[own] for part in value) if isinstance(value, tuple) else value if value is None else value[own]
        )
    along = isinstance(value, Tensor) and value.ndim > 1 and value.shape[:2] == (1, length)
    return value[:, where] if along else value
