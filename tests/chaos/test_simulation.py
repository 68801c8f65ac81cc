"""A thousand simulated campaigns in virtual time, one for each seed: nothing is lost, and nothing is repeated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.analysis.quarantine import FIRST_REPLICATION_SHARD, LAST_REPLICATION_SHARD
from bus.vocabulary.events import AnalysisReady, CodeFailed, RunFailed, RunRequested
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX
from lab.operations.replay import rebuild
from tests.support import instant_trainer
from tests.support.archive import Archive
from tests.support.campaign_checks import broken_rules, quarantined
from tests.support.simulated_campaigns import campaign, print_command, simulate
from tests.support.simulation import caching
from trainer.run.questions import Trained

CAMPAIGNS, BLOCKS = 1000, 10
LIVELY_SEED = 38
"""Seed of a campaign with several slots and human messages."""
QUARANTINES = {17: "not_reproduced", 27: "causality", 11: "AnalysisReady"}
"""Seed of a campaign with a quarantined experiment → how that experiment ends."""


@pytest.fixture(scope="module", autouse=True)
def _cached() -> Iterator[None]:
    with caching():
        yield


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_campaign_keeps_every_rule_under_every_schedule(tmp_path: Path, block: int) -> None:
    """After a hundred campaigns in one log, their memory, which crashed several times, equals one rebuilt from it."""
    archive, faultless = Archive(tmp_path / "faults"), Archive(tmp_path / "no_faults")
    for seed in range(block, CAMPAIGNS, BLOCKS):
        assert simulate(archive, faultless, seed) == [], print_command(seed)
    assert archive.store.digest() == rebuild(archive.log)["digest"]


@pytest.mark.parametrize(("seed", "end"), QUARANTINES.items())
def test_a_quarantine_can_end_in_every_way(tmp_path: Path, seed: int, end: str) -> None:
    """The second run confirms the result, refutes it, or fails."""
    archive = Archive(tmp_path)
    campaign(archive, seed).run()
    suspects = quarantined(archive.log)
    events = [envelope.event for envelope in archive.log if (envelope.campaign, envelope.experiment) in suspects]
    failures = {event.reason for event in events if isinstance(event, CodeFailed) and event.final}
    assert failures | {type(event).__name__ for event in events if isinstance(event, AnalysisReady)} == {end}


@pytest.mark.parametrize("reason", ["vetoed", "timeout", "protocol_error", "causality", "anomaly:diverged"])
@pytest.mark.parametrize("shards", [range(10), range(1, 10)], ids=["every run", "replications"])
def test_no_fault_makes_an_experiment_run_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, shards: range
) -> None:
    """A trainer that always reports a fault, or only in replications, ends each experiment after bounded runs."""
    train = instant_trainer.train

    def fail(envelope: Envelope, *, sound_baselines: bool = True) -> Trained:
        event = envelope.event
        assert isinstance(event, RunRequested)
        if event.shard not in shards or envelope.experiment.startswith(BASELINE_PREFIX):
            return train(envelope, sound_baselines=sound_baselines)
        failed = RunFailed(
            run=event.run, worker="1", attempt=event.attempt, stage="train", reason=reason, message="again"
        )
        return Trained(failed=failed)

    monkeypatch.setattr(instant_trainer, "train", fail)
    requested: set[int] = set()
    for seed in (*QUARANTINES, LIVELY_SEED):
        lab = campaign(Archive(tmp_path / str(seed)), seed)
        lab.run()
        assert broken_rules(lab) == []
        requested |= {event.shard for event in (e.event for e in lab.log) if isinstance(event, RunRequested)}
    last = LAST_REPLICATION_SHARD if reason == "vetoed" else FIRST_REPLICATION_SHARD
    assert max(requested) == (0 if 0 in shards else last), "the bound is reached"


def test_a_seed_determines_a_campaign(tmp_path: Path) -> None:
    """Its events have the same ids if it is the first in a log and if it follows other campaigns."""
    logs = []
    for folder, earlier_seeds in (("alone", ()), ("after_others", (0, 1))):
        archive = Archive(tmp_path / folder)
        for seed in earlier_seeds:
            campaign(archive, seed).run()
        lab = campaign(archive, LIVELY_SEED)
        lab.run()
        logs.append([envelope.id for envelope in lab.log])
    assert logs[0] == logs[1]
