"""Histories of wire version 1, from before search policies and `Metrics`: they still load, rebuild and replay."""

import json
from pathlib import Path

import pytest

from bus.delivery.replay import replay_role
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiments
from lab.operations import replay
from lab.roster import decider_specs
from memory.queries import Knowledge, answer
from memory.store import Store
from tests.histories import archive

NEW_WORDS = {"Beside it: ": "Next to it: "}
"""Words in motivations that have changed since: old → new. Nothing else may differ."""


@pytest.fixture(scope="module", params=archive.index(archive.V1))
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported log of each history."""
    return archive.unpack(request.param, tmp_path_factory.mktemp("history"), archive.V1)


def test_it_loads_whole(log: Path) -> None:
    """Every event of version 1 becomes one of today's, at its own position."""
    history = replay.read_history(log)
    assert [envelope.seq for envelope in history] == list(range(1, archive.index(archive.V1)[log.stem]["events"] + 1))


def test_memory_rebuilds_from_it(log: Path, tmp_path: Path) -> None:
    """The campaign has ended, and every experiment has the loss of its run, or the higher one of two."""
    events = [json.loads(line) for line in log.read_bytes().splitlines()]
    losses: dict[str, float] = {}
    for event in events:
        if event["type"] == "RunCompleted":
            losses[event["subject"]] = max(event["data"]["val_loss"], losses.get(event["subject"], 0.0))
    with Store(tmp_path / "memory.duckdb") as store:
        assert store.apply(replay.read_history(log)) == []
        status, experiments = (answer(Knowledge(store), query) for query in (AskCampaignStatus(), AskExperiments()))
    assert isinstance(status, CampaignStatus)
    assert isinstance(experiments, Experiments)
    assert status.finished
    assert status.analysed == sum(event["type"] == "AnalysisReady" for event in events) > 0
    assert losses.items() >= {row.id: row.val_loss for row in experiments.rows if row.val_loss}.items()


@pytest.mark.parametrize("role", decider_specs())
def test_every_role_decides_as_it_did(log: Path, role: str) -> None:
    """Whatever differs is a word of a motivation."""
    history, traces = replay.read_history(log), replay.traces_of(log)
    results = list(replay_role(decider_specs()[role], history, traces))
    assert results
    for _, difference in results:
        assert difference is None or with_new_words(difference.recorded) == difference.today


def with_new_words(text: str) -> str:
    """Return a text with today's words."""
    for old, new in NEW_WORDS.items():
        text = text.replace(old, new)
    return text
