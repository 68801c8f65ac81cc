"""Gate: a row of the batch does not depend on the other rows.

It misses a dependence that needs more rows than it tries, or that is smaller than the tolerance.
"""

from itertools import combinations

import torch
from torch import Tensor, nn

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import LOUD_AMPLITUDE, Subject, call, distance, rounding_tolerance

TOLERANCE = 2e-5
"""In rms of the output: kernels may sum in another order when the batch changes."""
LENGTH = 33
CALLS = 4
CHANGED_ROWS = tuple(combinations(range(CALLS), CALLS // 2))
"""For each row of the batch, the calls in which it changes. No row's calls are all among another's, so for any two rows
there is a call in which the first changes and the second does not."""
ROWS = len(CHANGED_ROWS)


def independence(subject: Subject) -> GateFinding:
    """Change some rows at a time and compare the others, in train and eval mode; then rows alone, in eval mode."""
    x, loud = subject.inputs(ROWS, LENGTH), LOUD_AMPLITUDE * subject.inputs(ROWS, LENGTH, stream=1)
    with torch.no_grad():
        for training in (True, False):
            mixer = subject.build_mixer(noisy=True, training=training)
            before = call(mixer, x)
            for number in range(CALLS):
                if training:  # a new one: it may count its training steps
                    mixer = subject.build_mixer(noisy=True, training=training)
                changed = torch.tensor([number in calls for calls in CHANGED_ROWS])
                after = call(mixer, torch.where(changed[:, None, None], loud, x))
                if leak := _moved_row(before, after, changed, "train" if training else "eval"):
                    return leak
            if not training and (leak := _moved_alone(mixer, x, before)):
                return leak
    return passed("batch", "every row is what it is in any batch")


def _moved_row(before: Tensor, after: Tensor, changed: Tensor, mode: str) -> GateFinding | None:
    """Return the finding on the row that moved most although it did not change; None if none did."""
    gaps = {row: distance(before[row], after[row]) for row in (~changed).nonzero().flatten().tolist()}
    row = max(gaps, key=gaps.__getitem__)
    others = ", ".join(map(str, changed.nonzero().flatten().tolist()))
    return _leak(f"rows {others} changed ({mode} mode)", row, gaps[row]) if gaps[row] > TOLERANCE else None


def _moved_alone(mixer: nn.Module, x: Tensor, before: Tensor) -> GateFinding | None:
    """Return the finding on the first or last row if it moves when it is alone, by more than rounding."""
    for row in (0, ROWS - 1):
        alone = x[row : row + 1]
        gap = distance(before[row : row + 1], call(mixer, alone))
        if gap > TOLERANCE and gap > TOLERANCE + rounding_tolerance(mixer, alone):
            return _leak("the row alone (eval mode)", row, gap)
    return None


def _leak(comparison: str, row: int, gap: float) -> GateFinding:
    return failed("batch", "batch_leak", f"{comparison}: row {row} moved by {gap:.2g} rms")
