"""Gate: a row of the batch does not depend on the other rows.

It misses a dependence that needs more rows than it tries, or that is smaller than the tolerance.
"""

import torch

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import LOUD_AMPLITUDE, Subject, call, distance, rounding_tolerance

TOLERANCE = 2e-5
"""In rms of the output: kernels may sum in another order when the batch changes."""
LENGTH = 33


def independence(subject: Subject) -> GateFinding:
    """Change all rows but one and compare that one, in train and eval mode; then that row alone, in eval mode."""
    x = subject.inputs(4, LENGTH)
    changed = torch.cat([x[:1], LOUD_AMPLITUDE * subject.inputs(3, LENGTH, stream=1)])
    with torch.no_grad():
        for training in (True, False):
            row = call(subject.build_mixer(noisy=True, training=training), x)[:1]
            mixer = subject.build_mixer(noisy=True, training=training)  # a new one: it may count its training steps
            gap = distance(row, call(mixer, changed)[:1])
            if gap > TOLERANCE:
                return _leak("other rows changed", gap, training=training)
        gap = distance(row, call(mixer, x[:1])) - rounding_tolerance(mixer, x)  # the last mixer, in eval mode
    if gap > TOLERANCE:
        return _leak("the row alone", gap, training=False)
    return passed("batch", "a row is what it is in any batch")


def _leak(comparison: str, gap: float, *, training: bool) -> GateFinding:
    mode = "train" if training else "eval"
    return failed("batch", "batch_leak", f"{comparison} ({mode} mode): row 0 moved by {gap:.2g} rms")
