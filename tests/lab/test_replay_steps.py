"""`move37 replay` step by step and in the debugger."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.histories import archive
from tests.support.labs import ROOT, move37


def replayed(log: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Replay a log with some typed lines."""
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", "replay", str(log), *arguments],
        input=typed, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_a_step_shows_the_data_of_the_event(tmp_path: Path) -> None:
    """Every field, with long texts cut."""
    log = archive.unpack("self-revision", tmp_path)
    printed = replayed(log, "--step", "--type", "ProposalCreated", "--from", "87", "--to", "87").stdout
    first, *data = printed.splitlines()
    assert first.split()[:2] == ["87", "researcher"]
    fields = json.loads("\n".join(data))
    assert fields["operator"] == "mutate:update"
    assert fields["source"].endswith("characters)")


def test_a_step_shows_what_a_decision_read_and_published(tmp_path: Path) -> None:
    """The event, the questions with their answers, the posts with their positions, and today's result."""
    log = archive.unpack("self-revision", tmp_path)
    printed = replayed(log, "--agent", "director", "--step", "--from", "77", "--to", "77").stdout
    assert printed.lstrip().startswith("77  AnalysisReady of base-gla")
    for text in (
        "asked AskCampaignStatus",
        "was told",
        "published ProposalRequested of e0002 at 82",
        "today: the same",
    ):
        assert text in printed


def test_the_debugger_stops_before_the_handler(tmp_path: Path) -> None:
    """The event, the recorded answers and the state as of the event are in scope; a step leads into the handler."""
    log = archive.unpack("self-revision", tmp_path)
    typed = (
        "p type(event).__name__, state.last_seq, state.settled, len(answers)\nstep\nstep\np envelope.seq\ncontinue\n"
    )
    result = replayed(log, "--agent", "director", "--pdb", "--from", "77", "--to", "77", typed=typed)
    assert "('AnalysisReady', 77, 6, 1)" in result.stdout
    assert "agents/roles/director.py" in result.stdout
    assert "director: 1 decisions made again, 0 differ" in result.stdout
    assert result.returncode == 0


def test_to_quit_the_debugger_ends_the_replay(tmp_path: Path) -> None:
    """It is no difference of the decision, and the end of the input quits too."""
    log = archive.unpack("self-revision", tmp_path)
    for typed in ("quit\n", ""):
        result = replayed(log, "--agent", "director", "--pdb", typed=typed)
        assert result.returncode == 0, result.stderr
        assert "differ" not in result.stdout
        assert result.stderr == ""


def test_the_debugger_needs_a_role(tmp_path: Path) -> None:
    """The error says which option is missing."""
    log = archive.unpack("normal", tmp_path)
    assert "--agent" in move37("replay", str(log), "--pdb", code=2)
