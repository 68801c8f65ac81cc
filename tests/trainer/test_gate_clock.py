"""The cost gate on machines whose clock is wrong: it judges by CPU seconds, and a virtual machine may lose some."""

from collections.abc import Callable

import pytest
from torch import nn

from trainer.gates import cost
from trainer.gates.counting import Cost, count_cost
from trainer.gates.subject import Subject

CALLS = 13
"""Calls at the shortest length before the gate decides."""


WIDTH = 8


def subject() -> Subject:
    """Return a layer whose work and time are linear in length."""
    return Subject(lambda _: nn.Linear(WIDTH, WIDTH), WIDTH, 2, 0)


def seconds_by(exponent: int, lost: int) -> Callable[..., Cost]:
    """Return a counter whose seconds grow with a power of the length, and which loses those of one short call."""
    calls = iter(range(1000))

    def count(function: Callable[[], object], *, gradients: bool) -> Cost:
        counted = count_cost(function, gradients=gradients)
        length = counted.elements // WIDTH
        is_lost = length == cost.SHORT_LENGTH and next(calls) == lost
        return counted._replace(seconds=0.0 if is_lost else (length / cost.FAR_LENGTH) ** exponent)

    return count


@pytest.mark.parametrize("lost", range(CALLS))
def test_a_call_that_the_clock_lost_is_no_growth(monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    """Whichever of the short calls it is."""
    monkeypatch.setattr(cost, "count_cost", seconds_by(1, lost))
    assert cost.growth(subject()).passed


@pytest.mark.parametrize("lost", range(CALLS))
def test_time_that_grows_faster_than_length_fails(monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    """Also where the clock lost a call."""
    monkeypatch.setattr(cost, "count_cost", seconds_by(2, lost))
    found = cost.growth(subject())
    assert not found.passed
    assert "CPU time for each position grows 8-fold" in found.evidence
