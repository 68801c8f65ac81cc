"""One small campaign on real training, from the command line, looked at from every side."""

import hashlib
import json
from pathlib import Path

import pytest

from bus.audit import log_file
from bus.vocabulary.events import RunCompleted
from tests.support.labs import Ran

pytestmark = pytest.mark.timeout(900)  # nine experiments are trained before the first test
BASELINES = 6
EXPERIMENTS = 3
CONTRACT = {
    "id", "name", "status", "origin", "parent_id", "fitness", "parts", "val_loss", "bits_per_byte", "recall", "scores",
    "parameters", "seconds",
}  # fmt: skip


def rows(lab: Ran) -> list[dict]:
    """Return what `move37 experiments --json` lists."""
    return [json.loads(line) for line in lab.move37("experiments", "--json").splitlines()]


def test_the_campaign_ends_with_every_experiment_terminal(finished: Ran) -> None:
    """Baselines and experiments are all there, each with the contract's keys."""
    listed = rows(finished)
    assert finished.result["finished"]
    assert len(listed) == BASELINES + EXPERIMENTS
    assert all(row.keys() >= CONTRACT for row in listed)
    assert {row["status"] for row in listed} <= {"analysed", "failed", "rejected"}


def test_every_baseline_is_trained_and_scored(finished: Ran) -> None:
    """The human designs pass the gates and end with real figures."""
    baselines = [row for row in rows(finished) if row["origin"] == "baseline"]
    assert [row["status"] for row in baselines] == ["analysed"] * BASELINES
    for row in baselines:
        assert 0 < row["bits_per_byte"] < 8
        assert 0 <= row["recall"] <= 1
        assert row["val_loss"] == pytest.approx(row["bits_per_byte"] * 0.6931472, rel=1e-3)
        assert row["fitness"] == pytest.approx(sum(row["parts"].values()) / 3)


def test_the_others_are_genetic_children(finished: Ran) -> None:
    """Without a model the grammar proposes, from parents that exist."""
    listed = rows(finished)
    names = {row["id"] for row in listed}
    children = [row for row in listed if row["origin"] == "genetic"]
    assert len(children) == EXPERIMENTS
    assert {row["parent_id"] for row in children if row["parent_id"]} <= names
    assert any(row["parent_id"] for row in children)


def test_no_honest_design_is_taken_for_a_leak(finished: Ran) -> None:
    """Whatever the grammar gives is causal, so the monitor has no loss to disbelieve."""
    told = [json.loads(line) for line in finished.move37("events", "--json").splitlines()]
    anomalies = [one["data"]["evidence"] for one in told if one["type"].endswith("RunAnomaly")]
    assert not [evidence for evidence in anomalies if "loss" in evidence]
    assert any(one["type"].endswith("RunCompleted") for one in told)


def test_the_exported_log_is_one_tree(finished: Ran, tmp_path: Path) -> None:
    """Every event but the first has its cause in the log before it."""
    log = tmp_path / "log.jsonl"
    finished.move37("export-log", str(log))
    said = list(log_file.read_log(log))
    seen: set[str] = set()
    for position, envelope in enumerate(said):
        assert (envelope.cause is None) == (position == 0), envelope
        assert envelope.cause is None or envelope.cause in seen
        seen.add(envelope.id)
    assert len(seen) == len(said)
    assert all(json.loads(line)["specversion"] == "1.0" for line in log.read_text().splitlines())


def test_the_weights_are_kept_with_their_hash(finished: Ran, tmp_path: Path) -> None:
    """What was scored lies in the artifacts, byte for byte."""
    log = tmp_path / "log.jsonl"
    finished.move37("export-log", str(log))
    completed = [envelope.event for envelope in log_file.read_log(log) if isinstance(envelope.event, RunCompleted)]
    assert completed
    for event in completed:
        content = (finished.home / "artifacts" / event.weights).read_bytes()
        assert hashlib.sha256(content).hexdigest() == event.weights_sha256


@pytest.mark.parametrize("role", ["director", "researcher", "engineer", "analyst"])
def test_every_agent_decides_the_same_in_a_replay(finished: Ran, tmp_path: Path, role: str) -> None:
    """Today's code, fed the recorded answers, says what was said."""
    log = tmp_path / "log.jsonl"
    finished.move37("export-log", str(log))
    result = json.loads(finished_replay(finished, log, "--agent", role, "--json"))
    assert result["decisions"] > 0
    assert result["differences"] == []


def test_memory_rebuilt_from_the_log_has_the_same_digest(finished: Ran, tmp_path: Path) -> None:
    """Memory is a projection: a fresh one is equal to the one that grew with the campaign."""
    from memory.store import Store

    log = tmp_path / "log.jsonl"
    finished.move37("export-log", str(log))
    result = json.loads(finished_replay(finished, log, "--rebuild", "--json"))
    with Store(finished.home / "memory.duckdb", read_only=True) as store:
        assert result["digest"] == store.digest()


def finished_replay(lab: Ran, log: Path, *arguments: str) -> str:
    """Run `move37 replay`, which needs no home."""
    from tests.support.labs import move37

    return move37("replay", str(log), *arguments)


def test_reading_commands_agree(finished: Ran) -> None:
    """`best`, `show` and `experiments` tell the same of the best experiment."""
    first = json.loads(finished.move37("best", "-n", "1", "--json"))
    shown = json.loads(finished.move37("show", first["id"], "--json"))
    assert {key: shown[key] for key in first} == first
    assert "nn.Module" in shown["source"]
    assert first["fitness"] == max(row["fitness"] for row in rows(finished) if row["fitness"] is not None)


def test_the_report_is_one_page_with_every_experiment(finished: Ran) -> None:
    """The page stands where the campaign said."""
    page = Path(finished.result["report"]).read_text()
    assert page.lower().startswith("<!doctype html>")
    assert all(row["id"] in page for row in rows(finished))
    assert "<svg" in page


def test_running_it_again_repeats_nothing(finished: Ran) -> None:
    """The same command on a finished campaign tells its end and adds no event."""
    before = json.loads(finished.move37("status", "--json"))["last_seq"]
    again = json.loads(finished.move37("run", "--json"))
    after = json.loads(finished.move37("status", "--json"))["last_seq"]
    assert again["finished"]
    assert len(again["experiments"]) == BASELINES + EXPERIMENTS
    assert before == after


def test_another_seed_in_the_same_home_is_refused(finished: Ran) -> None:
    """A home holds one campaign; the line says what to do."""
    said = finished.move37("run", "--seed", "5", code=1)
    assert "choose another --home" in said


def test_words_to_a_stopped_lab_are_heard_when_it_runs(finished: Ran, tmp_path: Path) -> None:
    """Steering words lie in the inbox, and the next proposal carries them."""
    finished.move37("say", "try a wider window and a gate")
    finished.move37("run", "--experiments", str(EXPERIMENTS + 1), "--json")
    log = tmp_path / "log.jsonl"
    finished.move37("export-log", str(log))
    requested = [e.event for e in log_file.read_log(log) if e.type == "ProposalRequested"]
    assert "try a wider window and a gate" in requested[-1].guidance  # type: ignore[attr-defined]
