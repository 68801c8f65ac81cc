"""Gate: the output at a position depends neither on later inputs nor on the length of the sequence.

Three tests, because each one misses some leaks:

- *perturbation*: later inputs are replaced by loud ones, also the last one alone. It finds discrete choices, which have
  no gradient.
- *gradient*: the derivative of early outputs by later inputs, in double precision, is zero. It finds leaks that a
  single draw of inputs hides.
- *prefix*: a shorter sequence gives the same outputs. It finds a dependence on the length. If only this test fails, no
  later input matters but their number does, and the reason is `length_dependence`.

All run with noise on the parameters, which opens paths behind a gate initialised to zero; in train and in eval mode; at
odd lengths and beyond 128. They miss a leak that opens only at longer lengths, for particular inputs, after many calls,
or in code that recognises these tests. Therefore the examination asks with a false future too
(`trainer.run.examination`).
"""

import torch
from torch import Tensor

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import LOUD_AMPLITUDE, Subject, call, distance, rounding_tolerance

LONG_LENGTH, EVEN_LENGTH, SHORT_LENGTH = 161, 64, 9
PERTURBED_CASES = (
    (True, LONG_LENGTH),
    (False, LONG_LENGTH),
    (True, EVEN_LENGTH),
    (False, EVEN_LENGTH),
    (True, SHORT_LENGTH),
)
"""(train mode, length) of the perturbation test."""
CUT_POSITIONS = (1, 2, 31, 64, 65, 97, 129, 150)
"""First positions that are replaced, on chunk borders and within chunks; the test adds the last position."""
PREFIX_LENGTHS = (33, 128, 160)
"""Lengths of the prefixes of a sequence of LONG_LENGTH."""
VALUE_TOLERANCE = 2e-5
"""In rms of the output: layers may compute parts in single precision."""
GRADIENT_TOLERANCE = 2e-6
"""As a share of the largest gradient."""


def causality(subject: Subject) -> GateFinding:
    """Run the three tests, the cheapest first; stop at the first leak."""
    dtype = working_dtype(subject)
    for name, find_leak in (("gradient", _gradient), ("perturbation", perturbation)):
        if leak := find_leak(subject, dtype):
            return failed("causality", "causality", f"{name} test, {leak}")
    if leak := prefix(subject, dtype):
        return failed("causality", "length_dependence", f"prefix test, {leak}")
    return passed("causality", f"no later input reaches an output, lengths up to {LONG_LENGTH}, {dtype}")


def working_dtype(subject: Subject) -> torch.dtype:
    """Return float64 if the layer can compute in it, else float32."""
    try:
        with torch.no_grad():
            y = call(subject.build_mixer(torch.float64), subject.inputs(1, SHORT_LENGTH, torch.float64))
    except RuntimeError:  # the layer itself casts to single precision
        return torch.float32
    return y.dtype if y.dtype == torch.float64 else torch.float32


def perturbation(
    subject: Subject,
    dtype: torch.dtype,
    cases: tuple[tuple[bool, int], ...] = PERTURBED_CASES,
    cut_positions: tuple[int, ...] = CUT_POSITIONS,
) -> str:
    """Replace the inputs from a cut on, one cut in each row; return the evidence if an earlier output changes.

    The last row stays as it is.
    """
    for training, length in cases:
        cuts = [cut for cut in cut_positions if cut < length - 1] + [length - 1, length]
        x = subject.inputs(len(cuts), length, dtype, stream=1)
        changed = _replaced(x, LOUD_AMPLITUDE * x.roll(1, 0), cuts)
        with torch.no_grad():
            mixer = subject.build_mixer(dtype, noisy=True, training=training)
            before = call(mixer, x)
            if training:  # a new mixer, because it may count its training steps
                mixer = subject.build_mixer(dtype, noisy=True, training=training)
            after = call(mixer, changed)
        row, gap = _largest_gap(before, after, cuts)
        if gap > VALUE_TOLERANCE:
            setting = f"{_mode(training)}, length {length}"
            return f"{setting}: other inputs from position {cuts[row]} on moved an earlier output by {gap:.2g} rms"
    return ""


def _replaced(x: Tensor, future: Tensor, cuts: list[int]) -> Tensor:
    """Return x with row i taken from `future` from position cuts[i] on."""
    late = torch.arange(x.shape[1]) >= torch.tensor(cuts)[:, None]  # [rows, length]
    return torch.where(late[..., None], future, x)


def _largest_gap(before: Tensor, after: Tensor, cuts: list[int]) -> tuple[int, float]:
    """Return the row whose outputs before its cut changed most, and by how much in rms of all outputs."""
    scale = before.square().mean().sqrt().clamp_min(1e-12)
    gaps = [((before[row, :cut] - after[row, :cut]).abs().max() / scale).item() for row, cut in enumerate(cuts)]
    row = max(range(len(gaps)), key=gaps.__getitem__)
    return row, gaps[row]


def _gradient(subject: Subject, dtype: torch.dtype) -> str:
    """Differentiate random sums of early outputs; return the evidence if a later input or another row matters."""
    for training, length in ((True, LONG_LENGTH), (False, EVEN_LENGTH + 1)):
        mixer = subject.build_mixer(dtype, noisy=True, training=training)
        cuts = [1, length // 3, length // 2 + 1, length - 1, 0]  # the last row is not in the sum
        x = subject.inputs(len(cuts), length, dtype, stream=3).requires_grad_()
        weights = subject.inputs(len(cuts), length, dtype, stream=4)
        early = torch.arange(length) < torch.tensor(cuts)[:, None]  # [rows, length]
        (call(mixer, x) * weights * early[..., None]).sum().backward()
        assert x.grad is not None, "the gradients gate has checked that the output depends on the input"
        size = x.grad.abs().amax(-1)  # [rows, length]
        leak = torch.where(early, 0, size).max().item() / max(size.max().item(), 1e-300)
        if leak > GRADIENT_TOLERANCE * (1 if dtype == torch.float64 else 10):
            setting = f"{_mode(training)}, length {length}"
            return f"{setting}: an output's gradient by a later input is {leak:.2g} of the largest"
    return ""


def prefix(subject: Subject, dtype: torch.dtype) -> str:
    """Cut the sequence off; return the evidence if an output changes. Skip random layers in train mode."""
    for training in (False, True):
        mixer = subject.build_mixer(dtype, noisy=True, training=training)
        x = subject.inputs(2, LONG_LENGTH, dtype, stream=5)
        with torch.no_grad():
            whole = call(mixer, x)
            gaps = {length: distance(whole[:, :length], call(mixer, x[:, :length])) for length in PREFIX_LENGTHS}
            length, gap = max(gaps.items(), key=lambda item: item[1])
            if gap <= VALUE_TOLERANCE or (training and not torch.equal(whole, call(mixer, x, seed=1))):
                continue
            if gap > VALUE_TOLERANCE + rounding_tolerance(mixer, x):
                return f"{_mode(training)}: the first {length} of {LONG_LENGTH} positions alone differ by {gap:.2g} rms"
    return ""


def _mode(training: bool) -> str:
    return "train mode" if training else "eval mode"
