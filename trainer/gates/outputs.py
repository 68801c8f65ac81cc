"""Gates on the output: its shape and dtype, at every length, finite, deterministic.

They miss faults at longer lengths, on inputs unlike the normally distributed ones, in numbers that grow over thousands
of positions, and in randomness that is drawn rarely.
"""

import torch

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import LOUD_AMPLITUDE, Subject, call, distance

LENGTHS = (1, 2, 7, 31, 64, 100)
"""Short, odd and prime lengths, a power of two, and no multiple of a chunk."""
LONG_LENGTH = 161
"""Beyond 128, odd, no multiple of a chunk."""


def shape(subject: Subject) -> GateFinding:
    """Check that [B, T, D] in float32 gives [B, T, D] in float32."""
    x = subject.inputs(2, 16)
    with torch.no_grad():
        y = subject.build_mixer()(x)
    fault = wrong_output(x, y)
    return failed("shape", "bad_output", fault) if fault else passed("shape", f"{tuple(x.shape)} {x.dtype} in and out")


def lengths(subject: Subject) -> GateFinding:
    """Check that every length works, and not only one that the constructor assumes."""
    mixer = subject.build_mixer()
    for length in LENGTHS:
        x = subject.inputs(2, length)
        with torch.no_grad():
            fault = wrong_output(x, mixer(x))
        if fault:
            return failed("lengths", "bad_output", f"at length {length}: {fault}")
    return passed("lengths", f"lengths {', '.join(map(str, LENGTHS))}")


def wrong_output(x: torch.Tensor, y: object) -> str:
    """Return the fault of an output's type, shape or dtype, or ''."""
    if isinstance(y, tuple) and y:
        y = y[0]  # fla-style layers return (output, attention, cache)
    if not isinstance(y, torch.Tensor):
        return f"forward returned {type(y).__name__}, not a tensor"
    if y.shape != x.shape:
        return f"input {tuple(x.shape)} gave output {tuple(y.shape)}"
    if y.dtype != x.dtype:
        return f"input {x.dtype} gave output {y.dtype}"
    return ""


def finite(subject: Subject) -> GateFinding:
    """Check that outputs and gradients are finite, for ordinary and for loud inputs."""
    mixer = subject.build_mixer(training=True)
    for amplitude in (1.0, LOUD_AMPLITUDE):
        x = (subject.inputs(2, LONG_LENGTH) * amplitude).requires_grad_()
        y = call(mixer, x)
        if not y.isfinite().all():
            return failed(
                "finite", "nonfinite", f"length {LONG_LENGTH}, input amplitude {amplitude:g}: {_first_nonfinite(y)}"
            )
        y.square().mean().backward()
        for name, tensor in [("input", x), *mixer.named_parameters()]:
            if tensor.grad is not None and not tensor.grad.isfinite().all():
                return failed(
                    "finite", "nonfinite", f"gradient of {name} at length {LONG_LENGTH}, amplitude {amplitude:g}"
                )
    return passed("finite", f"outputs and gradients at length {LONG_LENGTH}")


def _first_nonfinite(y: torch.Tensor) -> str:
    """Return the first value that is not finite, with its place."""
    row, position, channel = (~y.isfinite()).nonzero()[0].tolist()
    return f"{y[row, position, channel].item()} in row {row}, position {position}"


def determinism(subject: Subject) -> GateFinding:
    """Check in eval mode that one input gives one output: twice, after another input, and in a new mixer."""
    mixer, other_mixer = subject.build_mixer(), subject.build_mixer()
    x, other_x = subject.inputs(2, 33), subject.inputs(2, 33, stream=1)
    with torch.no_grad():
        first = call(mixer, x, seed=1)
        torch.manual_seed(2)
        second = _first_output(mixer(x))
        mixer(other_x)
        third = _first_output(mixer(x))
        other_mixer(other_x)
        rebuilt = call(other_mixer, x, seed=1)
    for case, y in (("called twice", second), ("after another input", third), ("built again", rebuilt)):
        if not torch.equal(first, y):
            return failed("determinism", "nondeterministic", f"{case}, outputs differ by {distance(first, y):.2g} rms")
    return passed("determinism", "same input, same output, bit for bit")


def _first_output(y: object) -> torch.Tensor:
    return y[0] if isinstance(y, tuple) else y  # type: ignore[return-value] (the shape gate has checked it)
