"""The command line on any terminal: narrow tables, no colours in a pipe, progress, quiet, and completion."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from lab.operations.archive import read_experiments
from lab.quiet import is_quiet, take_quiet
from lab.terminal import tables, working
from tests.histories.archive import unpack
from tests.support.labs import ROOT, move37


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a golden log."""
    return unpack("normal", tmp_path_factory.mktemp("log"))


@pytest.fixture(autouse=True)
def _loud() -> Iterator[None]:
    """Leave no test quiet."""
    yield
    take_quiet([])


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_tables_fit_the_terminal(log: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer, no figure is cut, and the columns that are left out are named."""
    page = Console(width=width, file=StringIO())
    monkeypatch.setattr(tables, "console", lambda: page)
    rows = read_experiments(log)
    tables.print_experiments(rows)
    lines = page.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(cell_len, lines)) <= width
    assert lines[0].split()[0] == "id"
    assert all(any(line.startswith(row.id) for line in lines) for row in rows)
    assert ("left out" in "".join(lines)) == (width < 140)
    if "bits/byte" in lines[0]:
        assert f"{rows[0].bits_per_byte:.3f}" in lines[1]


def test_a_row_that_is_too_wide_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its values follow their names, one a line."""
    page = Console(width=40, file=StringIO())
    monkeypatch.setattr(tables, "console", lambda: page)
    tables.print_rows([{"first_name": "x" * 36, "count": 3}, {"first_name": "y" * 36, "count": 4}])
    text = page.file.getvalue()  # type: ignore[attr-defined]
    assert text.split() == ["first", "name", "x" * 36, "count", "3", "first", "name", "y" * 36, "count", "4"]


@pytest.mark.parametrize("command", [["experiments"], ["show", "base-gla"]], ids=" ".join)
def test_a_pipe_gets_no_colours(log: Path, command: list[str]) -> None:
    """The output is plain text."""
    assert "\x1b" not in move37(*command, "--log", str(log), env={"TERM": "xterm-256color"})


def test_what_takes_long_is_announced(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line on stderr says what is under way; a moment's work says nothing."""
    monkeypatch.setattr(working, "NOTICE_DELAY_S", 0.01)
    with working.working("training a mixer"):
        deadline = time.monotonic() + 30
        while "training a mixer" not in (text := capsys.readouterr().err):
            assert time.monotonic() < deadline
    assert text.startswith("training a mixer (")
    monkeypatch.setattr(working, "NOTICE_DELAY_S", 60.0)
    with working.working("a moment"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "rest", "quiet"),
    [
        (["run", "--quiet", "--slots", "2"], ["run", "--slots", "2"], True),
        (["--quiet", "run"], ["run"], True),
        (["say", "--", "--quiet"], ["say", "--", "--quiet"], False),
        (["run"], ["run"], False),
    ],
)
def test_quiet_may_stand_anywhere(arguments: list[str], rest: list[str], quiet: bool) -> None:
    """What follows `--` is text."""
    assert take_quiet(arguments) == rest
    assert is_quiet() is quiet


def test_quiet_silences_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No notice comes, however long it takes."""
    monkeypatch.setattr(working, "NOTICE_DELAY_S", 0.0)
    take_quiet(["--quiet"])
    with working.working("training a mixer"):
        pass
    assert capsys.readouterr().err == ""


def test_the_shell_completes_commands() -> None:
    """Bash asks for the words that begin like the last one."""
    environment = {**os.environ, "_MOVE37_COMPLETE": "complete_bash", "COMP_WORDS": "move37 expo", "COMP_CWORD": "1"}
    program = Path(sys.executable).with_name("move37")
    result = subprocess.run([program], capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert sorted(result.stdout.split()) == ["export", "export-log", "export-page"], result.stderr


def test_make_help_lists_every_target() -> None:
    """Each target that a person may ask for has a line."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # not of a make above
    text = subprocess.run(["make", "help"], capture_output=True, text=True, cwd=ROOT, env=own, check=True).stdout
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert {line.split()[1] for line in text.splitlines()} == set(phony.split()[1:])
