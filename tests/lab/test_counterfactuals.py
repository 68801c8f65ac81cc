"""Counterfactuals: forks with and without a change of the policy, over several seeds of the search, are compared."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from bus.vocabulary.events import CampaignForked, ProposalCreated, RunRequested
from bus.wire.envelope import Envelope
from lab.client.outcomes import outcomes
from lab.operations import replay
from lab.operations.compare import compare
from tests.support.archive import Archive
from tests.support.factories import campaign_started
from tests.support.simulation import Faults, Laboratory, caching

SEEDS = (1, 2, 3)
AT = 24
"""The position at which the forks leave the original: some designs are analysed, and others are under way."""
STARTED = campaign_started(experiments=6, slots=2, baselines=("gla",), cold_start=2, batch=1)


def simulate(folder: Path, forked: CampaignForked | None = None) -> list[Envelope]:
    """Return the log of a campaign, or of its fork.

    Without faults a simulation repeats itself, so a fork is the same campaign with the change in its course. Times
    are left out: in a real fork, those of the past are the original's.
    """
    folder.mkdir()
    lab = Laboratory(Archive(folder), "c", Random(5), Faults(), sound_baselines=True)
    lab.start(STARTED)
    with caching():
        lab.run(until=AT)
        if forked:
            lab.fork(forked)
        lab.run()
    assert lab.status().finished
    if forked and forked.policy:
        assert replay.rebuild(lab.log)["digest"] == lab.archive.store.digest()
    return [replace(one, time=datetime(2026, 1, 1, tzinfo=UTC)) for one in lab.log]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Envelope]]:
    """The original, and for each seed a fork under the same policy and one under `random`."""
    folder = tmp_path_factory.mktemp("forks")
    changes = {
        f"{policy or 'same'} {seed}": CampaignForked(at=AT, search_seed=seed, policy=policy)
        for seed in SEEDS
        for policy in (None, "random")
    }
    return {name: simulate(folder / name, change) for name, change in {"original": None, **changes}.items()}


def test_forks_have_the_past_in_common_and_another_future(logs: dict[str, list[Envelope]]) -> None:
    """Every fork tries other designs, and trains them with the campaign's seed."""
    assert {tuple(log[:AT]) == tuple(logs["original"][:AT]) for log in logs.values()} == {True}
    sources = {
        name: frozenset(one.event.source for one in log[AT:] if isinstance(one.event, ProposalCreated))
        for name, log in logs.items()
    }
    assert len(set(sources.values())) == len(logs)
    requested = (one.event for log in logs.values() for one in log)
    assert {event.seed for event in requested if isinstance(event, RunRequested) and not event.shard} == {STARTED.seed}


def test_designs_after_a_fork_are_of_its_policys_arm(logs: dict[str, list[Envelope]]) -> None:
    """The law counts them for the policy that asked for them."""
    opened = [one for one in outcomes(logs["random 1"]) if one.kind == "opened" and one.arm != "baseline"]
    assert {one.arm for one in opened if one.seq <= AT} == {STARTED.policy}
    assert {one.arm for one in opened if one.seq > AT + 1} == {"random"}


def test_pairs_of_forks_tell_what_the_change_did(logs: dict[str, list[Envelope]]) -> None:
    """Each seed is a pair, as many experiments are counted in both, and the difference has an interval."""
    report = compare([(logs[f"same {seed}"], logs[f"random {seed}"]) for seed in SEEDS])
    assert report["pairs"] == len(SEEDS)
    assert report["figures"]["experiments"]["original"] >= 4
    gain = report["figures"]["median screening gain"]
    low, high = gain["interval"]
    assert low < gain["difference"] < high


def test_a_fork_without_a_change_is_its_original(logs: dict[str, list[Envelope]], tmp_path: Path) -> None:
    """The draws depend on campaign and slot, so nothing but a change makes a difference."""
    again = simulate(tmp_path / "again", CampaignForked(at=AT))
    kept = [(one.id, one.event) for one in again if not isinstance(one.event, CampaignForked)]
    assert kept == [(one.id, one.event) for one in logs["original"]]
