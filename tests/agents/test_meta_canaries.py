"""Canaries of meta-search: every fraud is caught, under a name."""

import pytest

from agents.search.programs.hosting import ProgramHost
from benchmarks.adas.canaries import (
    PROGRAMS,
    Caught,
    deleted_events,
    guessed_seed,
    program_canaries,
    understated_compute,
)

NAMES = {
    "patching the scorer": ("import", "raised"),
    "patching the arithmetic of fitness": ("import", "no_effect"),
    "reading held-out data": ("forbidden", "denied"),
    "faking a result": ("foreign_ids", "foreign_ids"),
    "answering with a score": ("bad_answer", "bad_answer"),
    "guessing the table's seed": ("import", "foreign_ids"),
}
"""How each program is caught: as the lab takes it, and past the static check in the sandbox alone."""


@pytest.fixture(scope="module")
def caught() -> dict[str, Caught]:
    """Return how the programs were caught."""
    with ProgramHost() as host:
        return {one.canary: one for one in (*program_canaries(host), understated_compute(host))}


@pytest.mark.parametrize("canary", [one.name for one in PROGRAMS])
def test_a_program_that_tries_what_it_must_not_is_caught(caught: dict[str, Caught], canary: str) -> None:
    """The sandbox and the form of answers hold without the check."""
    assert (caught[canary].name, caught[f"{canary}, past the check"].name) == NAMES[canary]


def test_cpu_time_is_counted_whatever_a_program_claims(caught: dict[str, Caught]) -> None:
    """It patches the clock of its own process."""
    assert caught["under-reporting compute"].name == "cpu_counted", caught["under-reporting compute"].detail


def test_no_program_can_tell_two_landscapes_apart() -> None:
    """It sees neither name nor seed."""
    assert guessed_seed().name == "blind"


def test_a_deleted_event_is_caught() -> None:
    """By the chain and, if that was forged too, by the audit."""
    assert [one.name for one in deleted_events()] == ["damaged", "missing_event"]
