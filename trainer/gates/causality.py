"""Gate: the output at a position does not depend on later inputs.

Three tests, because each is blind to something: *perturbation* (the future is replaced, also the last position alone,
also loudly) finds discrete choices that gradients don't show; *gradient* (the derivative of early outputs by late
inputs, in double precision, is zero) finds what a single draw of numbers hides; *prefix* (a shorter sequence gives the
same beginning) finds what depends on the length. All with kicked parameters, so that a path behind a zero-initialised
gate is open; in train and in eval mode; at odd lengths and beyond 128.

What it can't see: a leak that opens only beyond the longest length tried, only for particular inputs, only after many
calls, or only in code that recognises these tests. The score of record is therefore taken from truncated prefixes too.
"""

import torch
from torch import Tensor

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import LOUD_AMPLITUDE, Subject, call, distance, rounding

LONG_LENGTH, EVEN_LENGTH, SHORT_LENGTH = 161, 64, 9
PERTURBED_CASES = (
    (True, LONG_LENGTH),
    (False, LONG_LENGTH),
    (True, EVEN_LENGTH),
    (False, EVEN_LENGTH),
    (True, SHORT_LENGTH),
)
"""(training, length)."""
CUT_POSITIONS = (1, 2, 31, 64, 65, 97, 129, 150)
"""Where the future begins, on chunk borders and within chunks; the last position is always tried as well."""
PREFIX_LENGTHS = (33, 128, 160)
VALUE_TOLERANCE = 2e-5
"""Of the output's root mean square: layers may do parts of their work in single precision."""
GRADIENT_TOLERANCE = 2e-6
"""Of the largest gradient by the past."""


def causality(subject: Subject) -> GateFinding:
    """Run the three tests, the cheapest first; stop at the first leak."""
    dtype = precision(subject)
    for test in (_gradient, _perturbation, _prefix):
        leak = test(subject, dtype)
        if leak:
            return failed("causality", "causality", f"{test.__name__[1:]} test, {leak}")
    return passed("causality", f"no later input reaches an output, lengths up to {LONG_LENGTH}, {dtype}")


def precision(subject: Subject) -> torch.dtype:
    """Return float64 where the layer can do it, else float32."""
    try:
        with torch.no_grad():
            y = call(subject.fresh(torch.float64), subject.inputs(1, SHORT_LENGTH, torch.float64))
    except RuntimeError:  # a layer that casts to single precision by name
        return torch.float32
    return y.dtype if y.dtype == torch.float64 else torch.float32


def _perturbation(subject: Subject, dtype: torch.dtype) -> str:
    """Replace what comes after a cut, one cut a row; the outputs before it may not move."""
    for training, length in PERTURBED_CASES:
        cuts = [cut for cut in CUT_POSITIONS if cut < length - 1] + [length - 1]
        x = subject.inputs(len(cuts), length, dtype, stream=1)
        changed = _replaced(x, LOUD_AMPLITUDE * subject.inputs(len(cuts), length, dtype, stream=2), cuts)
        with torch.no_grad():  # each with a mixer of its own, which may count its training steps
            before, after = (call(subject.fresh(dtype, kicked=True, training=training), y) for y in (x, changed))
        row, gap = _worst(before, after, cuts)
        if gap > VALUE_TOLERANCE:
            where = f"{_mode(training)}, length {length}"
            return f"{where}: other inputs from position {cuts[row]} on moved an earlier output by {gap:.2g} rms"
    return ""


def _replaced(x: Tensor, future: Tensor, cuts: list[int]) -> Tensor:
    """Return x with row i taken from `future` from position cuts[i] on."""
    late = torch.arange(x.shape[1]) >= torch.tensor(cuts)[:, None]
    return torch.where(late[..., None], future, x)


def _worst(before: Tensor, after: Tensor, cuts: list[int]) -> tuple[int, float]:
    """Return the row whose outputs before its cut moved most, and by how much in rms of all outputs."""
    scale = before.square().mean().sqrt().clamp_min(1e-12)
    gaps = [((before[row, :cut] - after[row, :cut]).abs().max() / scale).item() for row, cut in enumerate(cuts)]
    worst = max(range(len(gaps)), key=gaps.__getitem__)
    return worst, gaps[worst]


def _gradient(subject: Subject, dtype: torch.dtype) -> str:
    """Differentiate random sums of early outputs; late inputs must have no gradient, and no other row's either."""
    for training, length in ((True, LONG_LENGTH), (False, EVEN_LENGTH + 1)):
        mixer = subject.fresh(dtype, kicked=True, training=training)
        cuts = [1, length // 3, length // 2 + 1, length - 1, 0]  # the last row is not summed at all
        x = subject.inputs(len(cuts), length, dtype, stream=3).requires_grad_()
        weights = subject.inputs(len(cuts), length, dtype, stream=4)
        early = torch.arange(length) < torch.tensor(cuts)[:, None]
        (call(mixer, x) * weights * early[..., None]).sum().backward()
        assert x.grad is not None, "the gradients gate has seen that the input reaches the output"
        size = x.grad.abs().amax(-1)  # [rows, length]
        leak = torch.where(early, 0, size).max().item() / max(size.max().item(), 1e-300)
        if leak > GRADIENT_TOLERANCE * (1 if dtype == torch.float64 else 10):
            where = f"{_mode(training)}, length {length}"
            return f"{where}: an output's gradient by a later input is {leak:.2g} of the largest"
    return ""


def _prefix(subject: Subject, dtype: torch.dtype) -> str:
    """Cut the sequence off; what is left must come out as before. Skipped in train mode where a layer draws numbers."""
    for training in (False, True):
        mixer = subject.fresh(dtype, kicked=True, training=training)
        x = subject.inputs(2, LONG_LENGTH, dtype, stream=5)
        with torch.no_grad():
            whole = call(mixer, x)
            if training and not torch.equal(whole, call(mixer, x, seed=1)):
                continue
            tolerance = VALUE_TOLERANCE + rounding(mixer, x)
            for length in PREFIX_LENGTHS:
                gap = distance(whole[:, :length], call(mixer, x[:, :length]))
                if gap > tolerance:
                    return f"{_mode(training)}: the first {length} of {LONG_LENGTH} positions alone differ by {gap:.2g} rms"
    return ""


def _mode(training: bool) -> str:
    """Name a mode."""
    return "train mode" if training else "eval mode"
