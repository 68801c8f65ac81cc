"""Commands on a stopped lab whose database is damaged or held by another program."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.home import Home
from tests.support.database_holder import held
from tests.support.labs import move37, run_instant


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of a small campaign that has ended."""
    home = tmp_path_factory.mktemp("stopped") / "home"
    run_instant(home, experiments=2, slots=2)
    return home


@pytest.fixture
def home(stopped: Path, tmp_path: Path) -> Home:
    """Return a copy of that home."""
    return Home(Path(shutil.copytree(stopped, tmp_path / "home")))


def test_a_damaged_database_is_rebuilt_by_the_command_that_reads_it(home: Home) -> None:
    """The command answers as if nothing had happened, and one line on stderr says what did."""
    answer = move37("experiments", "--json", "--home", str(home.root))
    home.database.write_bytes(home.database.read_bytes()[:20_000])
    command = [sys.executable, "-m", "lab.cli", "experiments", "--json", "--home", str(home.root)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == answer
    assert [json.loads(line)["event"] for line in result.stderr.splitlines()] == ["memory is rebuilt from the log"]
    assert len(list(home.root.glob("memory.duckdb.bad-*"))) == 1


def test_a_database_that_another_program_holds_is_one_line(home: Home) -> None:
    """It names the program's process; the exit code is 1."""
    with held(home.database) as pid:
        error = move37("experiments", "--home", str(home.root), code=1)
    assert len(error.splitlines()) == 1
    assert f"is held by process {pid} " in error


@pytest.mark.parametrize("mode", ["--rebuild", "--view"])
def test_a_changed_export_is_refused(home: Home, tmp_path: Path, mode: str) -> None:
    """One line has the first bad position, whatever the log is replayed for."""
    file = tmp_path / "log.jsonl"
    move37("export-log", str(file), "--home", str(home.root))
    move37("replay", str(file), mode)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[16] = lines[16].replace(b"2026", b"2025")
    file.write_bytes(b"".join(lines))
    assert "is damaged: position 17 is not what it was" in move37("replay", str(file), mode, code=1)


def test_a_damaged_chain_is_an_error_of_what_reads_the_log(home: Home, tmp_path: Path) -> None:
    """The events are listed or exported all the same, and the exit code is 1."""
    lines = home.chain.read_bytes().splitlines(keepends=True)
    lines[16] = b"garbage\n"
    home.chain.write_bytes(b"".join(lines))
    file = tmp_path / "log.jsonl"
    for command in (["events"], ["export-log", str(file)], ["report", "--out", str(tmp_path / "report.html")]):
        assert "is damaged: position 17 " in move37(*command, "--home", str(home.root), code=1)
    assert len(file.read_bytes().splitlines()) == len(lines)
    assert "position 17 " in move37("replay", str(file), "--verify", code=None)


def test_a_lab_starts_again_with_a_damaged_database(home: Home) -> None:
    """It continues its campaign, and ends with a memory of the whole log."""
    before = {
        row["id"] for row in map(json.loads, move37("experiments", "--json", "--home", str(home.root)).splitlines())
    }
    home.database.write_bytes(b"no database")
    outcome = run_instant(home.root, experiments=4, slots=2)
    assert outcome.finished
    assert len({row.id for row in outcome.results.experiments} - before) == 2
