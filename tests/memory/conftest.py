"""Fixtures of memory's tests: a synthetic campaign, stores, and a scribe."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.campaign_log import campaign_log
from bus.wire.envelope import Envelope
from memory.retrieval.embedding import HashEmbedder
from memory.retrieval.ideas import MotivationIndex
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


@pytest.fixture
def motivations(scribe: Scribe) -> MotivationIndex:
    """Return the index of a campaign of three proposals without designs."""
    scribe.start(baselines=(), goal="g", models={"researcher": "qwen"})
    proposals = (("slow decay", "a = 1"), ("delta rule", "b = 2"), ("slow delta", "c = 3"))
    for slot, (motivation, source) in enumerate(proposals, 1):
        scribe.open(f"e000{slot}", slot)
        scribe.propose(f"e000{slot}", motivation, source)
    return MotivationIndex(scribe.store, HashEmbedder())


@pytest.fixture(scope="session")
def log() -> list[Envelope]:
    """Return the log of a campaign of 60 experiments, whose researcher has a model."""
    start, *others = campaign_log(60)
    return [replace(start, event=start.event.model_copy(update={"models": {"researcher": "qwen"}})), *others]


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[[list[Envelope]], Store]:
    """Return a function that opens a new store with some events."""

    def make(envelopes: list[Envelope]) -> Store:
        store = Store(tmp_path / f"{len(list(tmp_path.iterdir()))}.duckdb")
        store.apply(envelopes)
        return store

    return make
