"""What is kept for good is no business of the garbage collector."""

import gc
from collections.abc import Iterator

import pytest

from memory.gc_tuning import collect_and_freeze, gc_paused


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.unfreeze()


def test_what_was_learned_is_passed_over():
    """A collection after settling does not walk what was there before."""
    learned = [[number] for number in range(1000)]
    collect_and_freeze()
    walked = {id(thing) for thing in gc.get_objects()}
    assert not any(id(thing) in walked for thing in learned)


def test_garbage_is_collected_before_it_is_passed_over():
    """A cycle that nobody holds does not stay for good."""
    gc.collect()
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    before = gc.get_stats()[2]["collected"]
    collect_and_freeze()
    assert gc.get_stats()[2]["collected"] > before


def test_loading_puts_collections_off():
    """Nothing is collected meanwhile, and afterwards all is as it was."""
    with gc_paused():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_load_that_fails_leaves_collections_on():
    """An unreadable file turns nothing off for good."""
    with pytest.raises(ZeroDivisionError), gc_paused():
        raise ZeroDivisionError
    assert gc.isenabled()
