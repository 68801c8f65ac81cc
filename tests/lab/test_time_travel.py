"""Commands that read a lab as it was after a position of its log (`--at`)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import move37, run_instant


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a finished campaign."""
    home = tmp_path_factory.mktemp("past")
    assert run_instant(home, experiments=3, slots=2).finished
    return home


@pytest.fixture(scope="module")
def log(home: Path) -> list[dict[str, Any]]:
    """The campaign's events, in the order of their positions."""
    return [json.loads(line) for line in move37("events", "--home", str(home), "--json").splitlines()]


def position(log: list[dict[str, Any]], kind: str, experiment: str) -> int:
    """Return the position of an experiment's first event of a type."""
    return next(seq for seq, event in enumerate(log, 1) if (event["type"], event["subject"]) == (kind, experiment))


@pytest.fixture(scope="module")
def analysed(log: list[dict[str, Any]]) -> int:
    """The position of the first analysis of a new design."""
    return next(seq for seq, one in enumerate(log, 1) if one["type"] == "AnalysisReady" and one["subject"][0] != "b")


@pytest.fixture(scope="module")
def name(log: list[dict[str, Any]], analysed: int) -> str:
    """The experiment of that analysis."""
    return log[analysed - 1]["subject"]


def rows(home: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return the JSON lines that a command prints, by their id."""
    printed = move37(*arguments, "--home", str(home), "--json").splitlines()
    return {row["id"]: row for row in map(json.loads, printed)}


def test_experiments_have_the_status_of_that_time(
    home: Path, log: list[dict[str, Any]], analysed: int, name: str
) -> None:
    """Before its analysis an experiment has no fitness; those that were opened later are not listed."""
    before, after = (rows(home, "experiments", "--at", str(at)) for at in (analysed - 1, analysed))
    assert before[name]["status"] in {"running", "quarantined"}
    assert before[name]["fitness"] is None
    assert after[name]["status"] == "analysed"
    opened = position(log, "ProposalRequested", "e0003")
    assert "e0003" not in rows(home, "experiments", "--at", str(opened - 1))
    assert "e0003" in rows(home, "experiments", "--at", str(opened))


def test_show_and_best_are_of_that_time(home: Path, log: list[dict[str, Any]], analysed: int, name: str) -> None:
    """An experiment that was analysed later is not among the best, and one that was opened later is not there."""
    assert name not in rows(home, "best", "-n", "50", "--at", str(analysed - 1))
    assert name in rows(home, "best", "-n", "50", "--at", str(analysed))
    shown = json.loads(move37("show", name, "--at", str(analysed - 1), "--home", str(home), "--json"))
    assert shown["source"]
    assert shown["findings"] == []
    opened = position(log, "ProposalRequested", "e0003")
    refused = move37("show", "e0003", "--at", str(opened - 1), "--home", str(home), code=1)
    assert f"no experiment 'e0003' at position {opened - 1}" in refused


def test_status_and_report_are_of_that_time(home: Path, log: list[dict[str, Any]], analysed: int) -> None:
    """The campaign was under way; the report counts the events up to there and has a file of its own."""
    status = json.loads(move37("status", "--at", str(analysed), "--home", str(home), "--json"))
    assert status["last_seq"] == analysed
    assert not status["finished"]
    assert status["analysed"] == sum(event["type"] == "AnalysisReady" for event in log[:analysed])
    page = Path(move37("report", "--at", str(analysed), "--home", str(home)).strip())
    assert page.name == f"report-at-{analysed}.html"
    assert f"read up to position {analysed}" in page.read_text()
    assert f"{analysed} events" in page.read_text()
    assert "has ended" not in page.read_text()


@pytest.mark.parametrize("command", [["best"], ["report"], ["why", "e0001"]])
def test_a_position_beyond_the_end_is_refused(home: Path, log: list[dict[str, Any]], command: list[str]) -> None:
    """The error names the last position."""
    stderr = move37(*command, "--at", "99999", "--home", str(home), code=1)
    assert f"its last position is {len(log)}" in stderr


def test_events_are_filtered(home: Path, log: list[dict[str, Any]]) -> None:
    """All filters that are given have to match; a campaign that the log lacks is an error with the nearest name."""
    campaign = log[0]["correlationid"]
    filters = ("--campaign", campaign, "--type", "AnalysisReady", "--grep", "FITNESS", "--experiment", "base-gla")
    (line,) = move37("events", *filters, "--home", str(home), "--json").splitlines()
    assert (json.loads(line)["type"], json.loads(line)["subject"]) == ("AnalysisReady", "base-gla")
    stderr = move37("events", "--campaign", "nano-1", "--home", str(home), code=1)
    assert f"did you mean {campaign}?" in stderr
    assert len(stderr.strip().splitlines()) == 1
