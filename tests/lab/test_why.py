"""`move37 why`: what the golden histories tell about an experiment, line by line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bus.vocabulary.events import CampaignStarted, PoolUpdated, ProposalRequested
from bus.wire.envelope import Envelope
from lab.errors import LabError
from lab.operations import replay
from lab.operations.evidence import story_of
from lab.operations.evidence_text import evidence_lines
from lab.operations.why import explain
from tests.histories import archive
from tests.support.labs import ROOT, move37


def story(history: str, experiment: str, folder: Path) -> dict[str, tuple[int, str]]:
    """Return the newest position and text of each topic."""
    log = replay.read_history(archive.unpack(history, folder))
    return {line.topic: (line.seq, line.text) for line in explain(log, experiment)}


def test_a_genetic_experiment_is_explained_from_slot_to_pool(tmp_path: Path) -> None:
    """Slot, parent with its rank then, change, gates, run, score against parent and baseline, verdict, pool."""
    told = story("self-revision", "e0002", tmp_path)
    assert told["asked"] == (82, "director opened slot 7 after AnalysisReady of base-gla at 77")
    assert told["parent"][1].startswith("base-mamba2: two_tier drew it before the first pool; fitness 0.442 (at 78)")
    assert "mutate:update of base-mamba2" in told["change"][1]
    assert told["gates"][1].startswith("passed 9: shape, finite")
    assert "; also tried: decode (not offered), mask (" in told["gates"][1]
    assert told["run"] == (93, "e0002-a0 (attempt 0) on trainer 1: 42,028 parameters, scale nano, seed 0, shard 0")
    assert "0.080 below that of its parent base-mamba2 (0.442, at 78), 0.413 below that of the best" in told["score"][1]
    assert told["verdict"][0] == 95
    assert told["since"] == (96, "in 1 pool, first at 96")


def test_a_parent_from_the_pool_names_its_generation(tmp_path: Path) -> None:
    """The pool is the one that the decision read, at its position."""
    told = story("normal", "e0006", tmp_path)
    assert told["parent"][1] == (
        "base-gla: two_tier drew it from the 8 parents of pool generation 2 (at 71); fitness 0.703 (at 36), rank 1 of 8"
    )


def test_a_policy_without_a_pool_draws_from_the_ranking(tmp_path: Path) -> None:
    """Of designs that forecasts ranked, the line says how many there were, and of how many parents."""
    log = replay.read_history(archive.unpack("normal", tmp_path))
    searched = [_under_surrogate(one) for one in log if not isinstance(one.event, PoolUpdated)]
    (told,) = [line.text for line in explain(searched, "e0006") if line.topic == "parent"]
    assert told.startswith(
        "base-gla: surrogate drew it from the ranking, one of 3 to breed 40 designs of; fitness 0.703"
    )


def _under_surrogate(envelope: Envelope) -> Envelope:
    """Return an event as a campaign of the policy `surrogate` has it."""
    event = envelope.event
    if isinstance(event, CampaignStarted):
        event = event.model_copy(update={"policy": "surrogate"})
    if isinstance(event, ProposalRequested):
        event = event.model_copy(
            update={"children": 40, "ranking": "improvement", "references": ("base-gla", "base-mamba2")}
        )
    return replace(envelope, event=event)


def test_a_design_of_an_earlier_campaign_climbs_by_the_names_of_rungs() -> None:
    """Of a real claim: nobody drew it, and its promotions name the rungs as its evidence does."""
    log = replay.read_history(ROOT / "docs" / "campaigns" / "claim-seed41.jsonl.gz")
    lines = explain(log, "e0001")
    told = {line.topic: line.text for line in lines}
    assert told["parent"] == "none: it is a design of an earlier campaign"
    assert [line.text.partition(",")[0] for line in lines if line.topic == "promoted"] == [
        "at nano", "at nano", "at micro", "at micro", "at micro",
    ]  # fmt: skip
    assert "promoted at micro: passed nano (" in "\n".join(evidence_lines(story_of(log, "e0001")))


def test_repairs_are_told_with_what_they_mended(tmp_path: Path) -> None:
    """A person's proposal failed twice and was repaired twice; the person is named."""
    told = story("self-revision", "h-2be89a96", tmp_path)
    assert told["asked"] == (2, "Ada proposed it: as I wrote it: two_faults")
    assert told["failed"][0] == 47
    assert "attempt 1 failed at gate (causality)" in told["failed"][1]
    assert "repaired by rules (at 48): replaced statistics over all of time by running ones" in told["failed"][1]
    assert told["run"][1].startswith("h-2be89a96-a2 (attempt 2)")


def test_the_campaign_may_be_named(tmp_path: Path) -> None:
    """Two campaigns of a log have experiments of the same ids."""
    log = replay.read_history(archive.unpack("normal", tmp_path))
    other = [replace(one, campaign="other-1a2b") for one in log]
    assert explain([*log, *other], "e0006", log[0].campaign) == explain(log, "e0006")
    assert explain([*log, *other], "e0006", "other") == explain(other, "e0006")
    with pytest.raises(LabError, match="no campaign 'gates'"):
        explain(log, "e0006", "gates")


def test_an_anomaly_and_a_veto_are_told(tmp_path: Path) -> None:
    """The monitor's evidence and the person's reason stand at their positions."""
    anomaly = story("anomaly", "h-2be89a96", tmp_path)
    assert anomaly["anomaly"][0] == 67
    assert "text loss is nan at step 1 (the monitor had stopped 3 runs before)" in anomaly["anomaly"][1]
    assert anomaly["verdict"] == (69, "given up after attempt 3: anomaly:not_finite at train")
    veto = story("veto", "h-2be89a96", tmp_path)
    assert veto["veto"] == (15, "by Ada: it does not end")
    assert veto["verdict"] == (17, "given up after attempt 0: vetoed at train")


def test_a_quarantine_is_told_with_its_replication(tmp_path: Path) -> None:
    """First the score that was too good, then the second run that refuted it."""
    told = story("crash", "e0001", tmp_path)
    assert told["quarantine"][0] < told["replicated"][0] < told["verdict"][0]
    assert "too_good in e0001-a0" in told["quarantine"][1]
    assert "text loss 2.025" in told["replicated"][1]
    assert told["verdict"][1] == "given up after attempt 0: not_reproduced at evaluate"


@pytest.mark.parametrize("history", archive.index())
def test_every_experiment_has_about_ten_lines_in_the_order_of_the_log(history: str, tmp_path: Path) -> None:
    """Each line has a position of the log; an experiment has a verdict."""
    log = replay.read_history(archive.unpack(history, tmp_path))
    for experiment in {one.experiment for one in log} - {"campaign"}:
        lines = explain(log, experiment)
        positions = [line.seq for line in lines]
        assert positions == sorted(positions)
        assert set(positions) <= {one.seq for one in log}
        assert 4 <= len(lines) <= 15, lines
        assert any(line.topic == "verdict" for line in lines)


def test_the_log_up_to_a_position_tells_no_more(tmp_path: Path) -> None:
    """While the second attempt is checked, there is no verdict yet."""
    log = replay.read_history(archive.unpack("self-revision", tmp_path), last=30)
    told = {line.topic: line.text for line in explain(log, "h-2be89a96")}
    assert told["verdict"].startswith("none yet: the newest event is ")
    assert "score" not in told


def test_the_command_prints_a_position_on_each_line(tmp_path: Path) -> None:
    """As text and as JSON, from an exported log; `--at` tells the story up to there."""
    log = str(archive.unpack("self-revision", tmp_path))
    lines = move37("why", "e0002", "--log", log).splitlines()
    assert lines[0].split()[:2] == ["82", "asked"]
    rows = [json.loads(line) for line in move37("why", "e0002", "--log", log, "--json").splitlines()]
    assert [row["seq"] for row in rows] == [int(line.split()[0]) for line in lines]
    assert "score" not in move37("why", "e0002", "--log", log, "--at", "93")


@pytest.mark.parametrize(
    ("experiment", "hint"),
    [
        ("e7", "did you mean e0007"),
        ("0002", "did you mean e0002"),
        ("base-gal", "did you mean base-gla"),
        ("e0099", "move37 experiments"),
    ],
)
def test_an_unknown_experiment_is_refused_with_a_hint(tmp_path: Path, experiment: str, hint: str) -> None:
    """The nearest name, if an id has another form; else how to list the ids."""
    log = replay.read_history(archive.unpack("normal", tmp_path))
    with pytest.raises(LabError, match=hint):
        explain(log, experiment)
