"""Gate: cost grows about linearly with length, and the sequence stays within torch, where cost is counted.

The count includes every operation that torch dispatches: the multiply-adds of products, and the elements of all
results. Each of these is judged by itself, so that other work does not dilute it:

- *work beyond the rung*: its second difference at equally spaced lengths. Constant and linear work drop out of it. The
  spacing is a multiple of 256, so padding up to that size drops out as well.
- *work within the rung*: between half the rung's longest sequence and all of it. Attention in blocks as long as that
  sequence is linear beyond it, and quadratic for all that is trained.
- *work and the largest tensor* over the last doubling of the length.
- *CPU time*, with a wide margin, for work that no count shows.
- *numbers that leave torch*: a dictionary of vectors costs nothing that torch counts, and remembers without bound.
- *state between calls*: attributes and globals that grow with each call.

The first three are judged in train mode too, with gradients, if a call there does not cost what it does in eval mode.

The gate misses padding to more than 1,024 positions, padded blocks and windows as long as the rung's sequences, and a
quadratic part below `LEAST_SHARE`.
"""

import math
from collections.abc import Callable
from functools import cache

import torch

from trainer.gates.counting import Cost, count_cost, kept_elements
from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import Subject

SHORT_LENGTH, FAR_LENGTH = 128, 1024
"""Shortest length of the comparison of seconds; the longest length tried, unless the rung trains on longer ones."""
LEAST_SHARE = 1 / 16
"""Quadratic part that is refused: operations for each pair of positions and channel. Softmax attention takes two."""
LEAST_SHARE_WITHIN = 1.0
"""The same within the rung."""
SHIFTS = (0, 0.15, 0.36, 0.58, 0.79)
"""Shares of the spacing by which lengths are moved until a suspicion is refuted: a remainder of a chunk looks quadratic
at some lengths, and the opposite at others."""
SHIFTS_WITHIN = (0, 0.04, 0.09, 0.13, 0.18)
"""The same as shares of the rung's longest sequence."""
GROWTH = 3.0
"""Growth of the work and the largest tensor over the last doubling of the length: 2 if linear, 4 if quadratic."""
TIME_GROWTH, LEAST_SECONDS, REPEATS = 2.0, 0.01, 3
"""CPU time for each position may grow this much from the shortest to the longest length; shorter calls are noise."""
SHORT_CALLS = 4
"""Calls at the shortest length before the gate believes that time grows little: a busy machine slows one or two."""
ELEMENT_SECONDS = 5e-9
"""An element of a counted result may take this much longer where results outgrow the caches or need fresh pages. Seen:
2.4e-9, with a hidden layer of 9,999."""
LEAST_LEFT = 0.5
"""Numbers for each position that leave torch, from which on the layer computes elsewhere."""

Measure = Callable[[int], Cost]
"""From a length to the cost of a call."""


def growth(subject: Subject) -> GateFinding:
    """Check that neither work, the largest tensor nor time grows faster than length, and that no state grows."""
    far = max(FAR_LENGTH, subject.longest)
    mixer = subject.build_mixer()
    measure = _measure(mixer, subject)
    cost = cache(measure)
    exponent = math.log2(cost(far).work / max(cost(far // 2).work, 1))
    evidence = f"work grows as length^{exponent:.2f} up to length {far}, largest tensor {cost(far).largest} elements"
    fault = _quadratic(cost, subject, far) or _growing(cost, far) or _slow(measure, cost, far)
    fault = fault or _costly_in_training(cost, subject, far)
    if fault:
        return failed("cost", "superlinear", f"{fault}; {evidence}")
    if fault := _unbounded(mixer, measure, cost(far), far):
        return failed("cost", "unbounded_state", fault)
    return passed("cost", evidence)


def _measure(mixer: torch.nn.Module, subject: Subject) -> Measure:
    """Return a function that calls a mixer at a length, as its mode asks for, and returns the cost."""

    def measure(length: int) -> Cost:
        x = subject.inputs(1, length)
        return count_cost(lambda: mixer(x), gradients=mixer.training)

    return measure


def _costly_in_training(eval_cost: Measure, subject: Subject, far: int) -> str:
    """Return the fault of the work in train mode, or ''; equal counts at two lengths are enough."""
    cost = cache(_measure(subject.build_mixer(training=True), subject))
    if all(_counted(cost(length)) == _counted(eval_cost(length)) for length in (subject.longest, far)):
        return ""
    fault = _quadratic(cost, subject, far) or _growing(cost, far)
    return fault and f"in train mode: {fault}"


def _counted(cost: Cost) -> tuple[int, int]:
    """Return what is the same in every call at one length."""
    return cost.work, cost.largest


def _quadratic(cost: Measure, subject: Subject, far: int) -> str:
    """Return the quadratic part of the work, or '' if it is small."""
    step, half = far // 4, max(subject.longest // 2, 1)

    def beyond(shift: float) -> float:
        """Return the operations for each pair of positions, up to the longest length tried."""
        one, two, three = (cost(n * step - int(shift * step)).work for n in (2, 3, 4))
        return (one - 2 * two + three) / (2 * step**2)

    def within(shift: float) -> float:
        """Return the same up to the rung's longest sequence, without the part of a call that is constant."""
        moved = int(shift * 2 * half)
        near, far_half = half - moved, far // 2 - moved
        constant = 2 * cost(far_half).work - cost(2 * far_half).work
        return (cost(2 * near).work - 2 * cost(near).work + constant) / (2 * near**2)

    if all(beyond(shift) > LEAST_SHARE * subject.d_model for shift in SHIFTS):
        return f"{beyond(0):.3g} operations for each pair of positions up to length {far}"
    if all(within(shift) > LEAST_SHARE_WITHIN * subject.d_model for shift in SHIFTS_WITHIN):
        return f"{within(0):.3g} operations for each pair of positions up to length {2 * half}, the longest in training"
    return ""


def _growing(cost: Measure, far: int) -> str:
    """Return that the work or the largest tensor grows much faster than length, or ''."""
    work = cost(far).work / max(cost(far // 2).work, 1)
    tensor = cost(far).largest / max(cost(far // 2).largest, 1)
    if work > GROWTH:
        return f"twice the length takes {work:.2g} times the work"
    return f"twice the length takes a tensor {tensor:.2g} times as large" if tensor > GROWTH else ""


def _slow(measure: Measure, cost: Measure, far: int) -> str:
    """Return that CPU time grows much faster than length, or ''.

    Noise adds to a time. In a short call it hides a growth, so the quickest calls count; in a long call it looks like
    one, so a suspicion is measured again. A virtual machine's clock may also lose nearly all of a call, seen once in
    thousands of gates: so of the short calls the second least counts.
    """
    long, short, factor = cost(far).seconds, [cost(SHORT_LENGTH).seconds], 0.0
    memory = ELEMENT_SECONDS * cost(far).elements
    for _ in range(REPEATS):
        if long < LEAST_SECONDS:
            return ""
        short = sorted([*short, *(measure(SHORT_LENGTH).seconds for _ in range(SHORT_CALLS))])[:2]
        factor = (long - memory) / max(short[1], 1e-6) * SHORT_LENGTH / far
        if factor <= TIME_GROWTH:
            return ""
        long = min(long, measure(far).seconds)
    return f"CPU time for each position grows {factor:.2g}-fold from length {SHORT_LENGTH} to {far}"


def _unbounded(mixer: torch.nn.Module, measure: Measure, longest: Cost, far: int) -> str:
    """Return what is remembered without bound, or ''."""
    if longest.left > LEAST_LEFT * far:
        return f"{longest.left:g} numbers leave torch over {far} positions"
    kept = before = kept_elements(mixer)
    for _ in range(REPEATS):
        measure(SHORT_LENGTH)
        before, kept = kept, kept_elements(mixer)
        if kept <= before:
            return ""
    return f"{kept - before} more elements are kept after each call"
