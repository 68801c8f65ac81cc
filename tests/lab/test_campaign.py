"""One small campaign with real training, run and inspected from the command line."""

import hashlib
import json
from pathlib import Path

import pytest

from bus.audit import log_file
from bus.vocabulary.events import ProposalRequested, RunCompleted
from lab.roster import decider_specs
from tests.support.labs import FinishedLab, move37

BASELINES = 3
EXPERIMENTS = 3
CONTRACT = {
    "id", "name", "status", "origin", "parent_id", "fitness", "parts", "val_loss", "bits_per_byte", "recall", "scores",
    "parameters", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def listed(finished: FinishedLab) -> list[dict]:
    """Return what `move37 experiments --json` lists."""
    return [json.loads(line) for line in finished.move37("experiments", "--json").splitlines()]


@pytest.fixture(scope="module")
def log(finished: FinishedLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported log."""
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    finished.move37("export-log", str(path))
    return path


def test_every_experiment_of_a_finished_campaign_has_ended(finished: FinishedLab, listed: list[dict]) -> None:
    """All baselines and experiments are listed, each with the keys that others rely on."""
    assert finished.result["finished"]
    assert len(listed) == BASELINES + EXPERIMENTS
    assert all(row.keys() >= CONTRACT for row in listed)
    assert {row["status"] for row in listed} <= {"analysed", "failed", "rejected"}


def test_every_baseline_is_trained_and_scored(listed: list[dict]) -> None:
    """The baselines pass the gates and have plausible figures."""
    baselines = [row for row in listed if row["origin"] == "baseline"]
    assert [row["status"] for row in baselines] == ["analysed"] * BASELINES
    for row in baselines:
        assert 0 < row["bits_per_byte"] < 8
        assert 0 <= row["recall"] <= 1
        assert row["val_loss"] == pytest.approx(row["bits_per_byte"] * 0.6931472, rel=1e-3)
        assert row["fitness"] == pytest.approx(sum(row["parts"].values()) / 3)


def test_the_other_experiments_are_genetic(listed: list[dict]) -> None:
    """Without a model, genetic operators propose; parents are experiments of the campaign."""
    names = {row["id"] for row in listed}
    children = [row for row in listed if row["origin"] == "genetic"]
    assert len(children) == EXPERIMENTS
    assert {row["parent_id"] for row in children if row["parent_id"]} <= names
    assert any(row["parent_id"] for row in children)


def test_no_causal_design_is_reported_as_a_leak(finished: FinishedLab) -> None:
    """The grammar's designs are causal, so the monitor reports no loss as too low."""
    events = [json.loads(line) for line in finished.move37("events", "--json").splitlines()]
    anomalies = [event["data"]["evidence"] for event in events if event["type"] == "RunAnomaly"]
    assert not [evidence for evidence in anomalies if "loss" in evidence]
    assert any(event["type"] == "RunCompleted.v2" for event in events)


def test_the_exported_log_is_one_tree(log: Path) -> None:
    """Every event except the first has its cause earlier in the log."""
    history = list(log_file.read_log(log))
    ids: set[str] = set()
    for index, envelope in enumerate(history):
        assert (envelope.cause is None) == (index == 0), envelope
        assert envelope.cause is None or envelope.cause in ids
        ids.add(envelope.id)
    assert len(ids) == len(history)
    assert all(json.loads(line)["specversion"] == "1.0" for line in log.read_text().splitlines())


def test_the_weights_have_the_recorded_hash(finished: FinishedLab, log: Path) -> None:
    """The artifacts have the weights of every completed run, byte for byte."""
    completed = [envelope.event for envelope in log_file.read_log(log) if isinstance(envelope.event, RunCompleted)]
    assert completed
    for event in completed:
        content = (finished.home / "artifacts" / event.weights).read_bytes()
        assert hashlib.sha256(content).hexdigest() == event.weights_sha256


@pytest.mark.parametrize("role", decider_specs())
def test_every_role_decides_the_same_in_a_replay(log: Path, role: str) -> None:
    """Today's code, with the recorded answers, publishes the recorded events."""
    result = json.loads(move37("replay", str(log), "--agent", role, "--json"))
    assert result["decisions"] > 0
    assert result["differences"] == []


def test_memory_rebuilt_from_the_log_has_the_same_digest(finished: FinishedLab, log: Path) -> None:
    """A memory built from the log is equal to the memory of the campaign."""
    from memory.store import Store

    result = json.loads(move37("replay", str(log), "--rebuild", "--json"))
    with Store(finished.home / "memory.duckdb", read_only=True) as store:
        assert result["digest"] == store.digest()


def test_reading_commands_agree(finished: FinishedLab, listed: list[dict]) -> None:
    """`best`, `show` and `experiments` have the same figures of the best experiment."""
    first = json.loads(finished.move37("best", "-n", "1", "--json"))
    shown = json.loads(finished.move37("show", first["id"], "--json"))
    assert {key: shown[key] for key in first} == first
    assert "nn.Module" in shown["source"]
    assert first["fitness"] == max(row["fitness"] for row in listed if row["fitness"] is not None)


def test_the_report_is_one_page_with_every_experiment(finished: FinishedLab, listed: list[dict]) -> None:
    """The page is at the path that the run printed."""
    page = Path(finished.result["report"]).read_text()
    assert page.lower().startswith("<!doctype html>")
    assert all(row["id"] in page for row in listed)
    assert "<svg" in page


def test_running_it_again_repeats_nothing(finished: FinishedLab) -> None:
    """The same command on a finished campaign prints its result and adds no event."""
    before = json.loads(finished.move37("status", "--json"))["last_seq"]
    again = json.loads(finished.move37("run", "--json"))
    after = json.loads(finished.move37("status", "--json"))["last_seq"]
    assert again["finished"]
    assert len(again["experiments"]) == BASELINES + EXPERIMENTS
    assert before == after


def test_another_seed_in_the_same_home_is_refused(finished: FinishedLab) -> None:
    """A home holds one campaign; the error says what to do."""
    assert "give --campaign NAME for one more, or another --home" in finished.move37("run", "--seed", "5", code=1)


def test_a_message_to_a_stopped_lab_is_read_when_it_runs(finished: FinishedLab, tmp_path: Path) -> None:
    """The message waits in the inbox, and the next proposal has it as guidance."""
    finished.move37("say", "try a wider window and a gate")
    finished.move37("run", "--experiments", str(EXPERIMENTS + 1), "--json")
    log = tmp_path / "log.jsonl"
    finished.move37("export-log", str(log))
    requests = [one.event for one in log_file.read_log(log) if isinstance(one.event, ProposalRequested)]
    assert "try a wider window and a gate" in requests[-1].guidance
