"""A decorator for operators on whole sequences [B, T, H, ...]: adds packed sequences and heads before time."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

Operator = Callable[..., tuple[Tensor, Any]]
"""(tensors, scale=, initial_state=, ...) -> (o [B, T, ...], final state: a tensor or a tuple of them)."""
ADDED_ARGUMENTS = {"output_final_state": False, "cu_seqlens": None, "head_first": False}
"""Arguments added after an operator's own, and their defaults."""


def on_sequences(operator: Operator) -> Operator:
    """Return the operator with fla's `output_final_state`, `cu_seqlens` and `head_first` after its own arguments.

    The operator's first argument defines the batch and the length: of packed sequences, each other tensor [1, T, ...]
    of this length is cut along time.
    """
    own = signature(operator)
    kind = Parameter.POSITIONAL_OR_KEYWORD
    added = [Parameter(name, kind, default=default) for name, default in ADDED_ARGUMENTS.items()]
    known = own.replace(parameters=[*own.parameters.values(), *added])

    @wraps(operator)
    def run(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        kwargs = {name: value for name, value in kwargs.items() if name in known.parameters}
        arguments = known.bind(*args, **kwargs).arguments
        output_final_state, cu_seqlens, head_first = (
            arguments.pop(name, value) for name, value in ADDED_ARGUMENTS.items()
        )
        first = next(iter(arguments.values()))
        if head_first:
            arguments = {name: _time_first(value, first.ndim - 1) for name, value in arguments.items()}
            first = first.transpose(1, 2)
        if cu_seqlens is None:
            o, state = operator(**arguments)
        else:
            o, state = _run_packed(operator, arguments, first.shape[1], cu_seqlens)
        return (o.transpose(1, 2) if head_first else o), (state if output_final_state else None)

    return run


def _time_first(value: Any, min_axes: int) -> Any:
    """Return a tensor [B, H, T, ...] as [B, T, H, ...]; one with fewer axes stays as it is."""
    return value.transpose(1, 2) if isinstance(value, Tensor) and value.ndim >= min_axes else value


def _run_packed(operator: Operator, arguments: dict[str, Any], length: int, cu_seqlens: Tensor) -> tuple[Tensor, Any]:
    """Run the operator on each of the sequences packed along time; return the joined outputs and states."""
    outputs, states = [], []
    for number, (start, end) in enumerate(pairwise(cu_seqlens.tolist())):
        times = slice(start, end)
        parts = {name: _sequence_part(name, value, length, times, number) for name, value in arguments.items()}
        o, state = operator(**parts)
        outputs.append(o)
        states.append(state)
    joined = tuple(map(torch.cat, zip(*states, strict=True))) if isinstance(states[0], tuple) else torch.cat(states)
    return torch.cat(outputs, 1), joined


def _sequence_part(name: str, value: Any, length: int, times: slice, number: int) -> Any:
    """Return one sequence's part of an argument: its own initial state, its own steps of tensors along time."""
    if name == "initial_state":
        own = slice(number, number + 1)
        if isinstance(value, tuple):
            return tuple(part[own] for part in value)
        return None if value is None else value[own]
    along_time = isinstance(value, Tensor) and value.ndim > 1 and value.shape[:2] == (1, length)
    return value[:, times] if along_time else value
