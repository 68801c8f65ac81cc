"""Garbage collection: objects that stay for good are visited once."""

import gc
from collections.abc import Iterator

import pytest

from memory.gc_tuning import collect_and_freeze, gc_paused


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.unfreeze()


def test_frozen_objects_are_not_visited_again():
    """The collector no longer tracks the objects that existed at the freeze."""
    frozen = [[number] for number in range(1000)]
    collect_and_freeze()
    tracked = {id(thing) for thing in gc.get_objects()}
    assert not any(id(thing) in tracked for thing in frozen)


def test_garbage_is_collected_before_the_freeze():
    """An unreachable cycle does not stay for good."""
    gc.collect()
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    before = gc.get_stats()[2]["collected"]
    collect_and_freeze()
    assert gc.get_stats()[2]["collected"] > before


def test_loading_puts_collections_off():
    """Collections are off inside, and on again afterwards."""
    with gc_paused():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_load_that_fails_leaves_collections_on():
    """Also after an unreadable file."""
    with pytest.raises(ZeroDivisionError), gc_paused():
        raise ZeroDivisionError
    assert gc.isenabled()
