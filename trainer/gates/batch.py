"""Gate: a row of the batch does not depend on the other rows.

What it can't see: a coupling that needs more rows than were tried, or that is smaller than the tolerance.
"""

import torch

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import LOUD_AMPLITUDE, Subject, call, distance, rounding

TOLERANCE = 2e-5
"""Of the output's root mean square: kernels may sum in another order when the batch changes."""
LENGTH = 33


def independence(subject: Subject) -> GateFinding:
    """Change all rows but one and compare that one, with and without training; then that row alone, in eval mode."""
    x = subject.inputs(4, LENGTH)
    changed = torch.cat([x[:1], LOUD_AMPLITUDE * subject.inputs(3, LENGTH, stream=1)])
    with torch.no_grad():
        for training in (True, False):
            whole = call(subject.fresh(kicked=True, training=training), x)[:1]
            mixer = subject.fresh(kicked=True, training=training)  # built again: it may count its training steps
            gap = distance(whole, call(mixer, changed)[:1])
            if gap > TOLERANCE:
                return _leak(training=training, what="other rows changed", gap=gap)
        gap = distance(whole, call(mixer, x[:1])) - rounding(mixer, x)  # in eval mode, the last one's
    if gap > TOLERANCE:
        return _leak(training=False, what="the row alone", gap=gap)
    return passed("batch", "a row is what it is in any batch")


def _leak(*, training: bool, what: str, gap: float) -> GateFinding:
    """Return the finding of a coupled batch."""
    mode = "train" if training else "eval"
    return failed("batch", "batch_leak", f"{what} ({mode} mode): row 0 moved by {gap:.2g} rms")
