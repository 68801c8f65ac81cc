"""Gates on what comes out: its shape and dtype, at every length, finite, the same each time.

What they can't see: lengths beyond those tried, inputs unlike the normal ones tried, numbers that grow only over
thousands of positions, randomness that is drawn rarely.
"""

import torch

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import LOUD_AMPLITUDE, Subject, call, distance

LENGTHS = (1, 2, 7, 31, 64, 100)
"""Short, odd, prime, a power of two, and no multiple of a chunk."""
LONG_LENGTH = 161
"""Beyond 128, odd, no multiple of a chunk."""


def shape(subject: Subject) -> GateFinding:
    """[B, T, D] in, [B, T, D] of the same floating dtype out (fp32)."""
    x = subject.inputs(2, 16)
    with torch.no_grad():
        y = subject.fresh()(x)
    fault = wrong_output(x, y)
    return failed("shape", "bad_output", fault) if fault else passed("shape", f"{tuple(x.shape)} {x.dtype} in and out")


def lengths(subject: Subject) -> GateFinding:
    """Every length works, not only one that the constructor was written for."""
    mixer = subject.fresh()
    for length in LENGTHS:
        x = subject.inputs(2, length)
        with torch.no_grad():
            fault = wrong_output(x, mixer(x))
        if fault:
            return failed("lengths", "bad_output", f"at length {length}: {fault}")
    return passed("lengths", f"lengths {', '.join(map(str, LENGTHS))}")


def wrong_output(x: torch.Tensor, y: object) -> str:
    """Return what is wrong with an output's type, shape or dtype, or ''."""
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
    """No NaN, no infinity, in the output and in the gradients, for ordinary and for loud inputs."""
    mixer = subject.fresh(training=True)
    for amplitude in (1.0, LOUD_AMPLITUDE):
        x = (subject.inputs(2, LONG_LENGTH) * amplitude).requires_grad_()
        y = call(mixer, x)
        if not y.isfinite().all():
            return failed(
                "finite", "nonfinite", f"length {LONG_LENGTH}, input amplitude {amplitude:g}: {_first_bad(y)}"
            )
        y.square().mean().backward()
        named = [("input", x), *mixer.named_parameters()]
        for name, tensor in named:
            if tensor.grad is not None and not tensor.grad.isfinite().all():
                return failed(
                    "finite", "nonfinite", f"gradient of {name} at length {LONG_LENGTH}, amplitude {amplitude:g}"
                )
    return passed("finite", f"outputs and gradients at length {LONG_LENGTH}")


def _first_bad(y: torch.Tensor) -> str:
    """Say where the first value is that is not finite."""
    row, position, channel = (~y.isfinite()).nonzero()[0].tolist()
    return f"{y[row, position, channel].item()} in row {row}, position {position}"


def determinism(subject: Subject) -> GateFinding:
    """In eval mode the same input gives the same output: again, after another input, and where another came first."""
    mixer, other = subject.fresh(), subject.fresh()
    x, between = subject.inputs(2, 33), subject.inputs(2, 33, stream=1)
    with torch.no_grad():
        first = call(mixer, x, seed=1)
        torch.manual_seed(2)
        again = _first_of(mixer(x))
        mixer(between)
        after = _first_of(mixer(x))
        other(between)
        second = call(other, x, seed=1)
    for what, y in (("called twice", again), ("after another input", after), ("built again", second)):
        if not torch.equal(first, y):
            return failed("determinism", "nondeterministic", f"{what}, outputs differ by {distance(first, y):.2g} rms")
    return passed("determinism", "same input, same output, bit for bit")


def _first_of(y: object) -> torch.Tensor:
    """Return the tensor of an output that may be a tuple."""
    return y[0] if isinstance(y, tuple) else y  # type: ignore[return-value] (the shape gate has looked)
