"""Whole searches on a simulated landscape: policies that learn, through director, researcher, analyst and memory."""

from benchmarks.landscape import search
from bus.vocabulary.events import PoolUpdated, ProposalCreated, ProposalRequested


def test_a_search_that_learns_is_reproducible() -> None:
    """The same seed has the same trials; designs that were chosen by a forecast carry it."""
    first, second = (search("surrogate", 1, 12) for _ in range(2))
    assert len(first.losses) == 12
    assert first.losses == second.losses
    events = [envelope.event for envelope in first.log]
    forecasts = [event.forecast for event in events if isinstance(event, ProposalCreated) and event.forecast]
    assert len(forecasts) > 6
    assert all(forecast.mean is not None and forecast.children > 1 for forecast in forecasts)


def test_a_mixture_learns_from_its_own_policies() -> None:
    """Its newest state counts trials of the policies that it chose."""
    log = search("mixture", 1, 12).log
    newest = next(envelope.event for envelope in reversed(log) if isinstance(envelope.event, PoolUpdated))
    counts = newest.state["policies"]
    assert isinstance(counts, dict)
    chosen = {envelope.event.policy for envelope in log if isinstance(envelope.event, ProposalRequested)} - {None}
    assert chosen >= {name for name, each in counts.items() if each["trials"]}
    assert sum(each["trials"] for each in counts.values()) >= 8
