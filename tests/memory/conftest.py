"""Fixtures of memory's tests: a synthetic campaign, stores, and a scribe."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.campaign_log import campaign_log
from bus.wire.envelope import Envelope
from memory.store import Store
from tests.support.scribe import Scribe


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open an empty store."""
    with Store(tmp_path / "memory.duckdb") as opened:
        yield opened


@pytest.fixture
def scribe(store: Store) -> Scribe:
    """Return a scribe that writes into the store."""
    return Scribe(store)


@pytest.fixture(scope="session")
def log() -> list[Envelope]:
    """Return the log of a campaign of 60 experiments."""
    return list(campaign_log(60))


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[[list[Envelope]], Store]:
    """Return a function that opens a new store with some events."""

    def make(envelopes: list[Envelope]) -> Store:
        store = Store(tmp_path / f"{len(list(tmp_path.iterdir()))}.duckdb")
        store.apply(envelopes)
        return store

    return make
