"""The command line on any terminal: narrow tables, no colours in a pipe, progress, quiet, and completion."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from lab.commands import command_line
from lab.operations import doctor
from lab.operations.archive import read_experiments
from lab.quiet import is_quiet, take_quiet
from lab.terminal import prose, tables, working
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
    if "text loss" in lines[0]:
        assert f"{rows[0].val_loss:.3f}" in lines[1]
    assert not any(line.endswith(" ") for line in lines)


def test_an_experiment_shows_what_its_objective_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a real claim, whose recall has the weight 0: the gains are told as they are before they are weighted."""
    (row,) = read_experiments(ROOT / "docs" / "campaigns" / "claim-seed41.jsonl.gz", "e0001")
    tables.print_experiment(row)
    line = "objective +2.14 sd of seed noise, score +2.07 after shrinkage; before weighting: recall -1.77, text +2.14"
    assert line in capsys.readouterr().out.splitlines()


def test_a_comparison_of_forks_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out first is the interval, which one pair does not have."""
    page = Console(width=40, file=StringIO())
    monkeypatch.setattr(tables, "console", lambda: page)
    tables.print_comparison(
        {"median screening gain": {"original": 0.01, "fork": 0.0312, "difference": 0.0212, "interval": [-0.1, 0.2]}}
    )
    lines = page.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(cell_len, lines)) <= 40
    assert "+0.0212" in lines[1]


@pytest.mark.parametrize(
    "words",
    [["config"], ["doctor"], ["sql", "--tables"], ["why", "e0002"], ["replay"], ["researcher", "list"]],
    ids=" ".join,
)
def test_lines_fit_the_terminal_and_are_whole_in_a_pipe(
    words: list[str], log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On 40 columns the same words stand on more lines."""
    checks = [doctor.HealthCheck("sentence-transformers", False, "missing " * 9, "run `make install`")]
    monkeypatch.setattr(doctor, "run_checks", lambda *_, **__: checks)
    arguments = {"why": ["--log", str(log)], "replay": [str(log)]}.get(words[0], [])
    monkeypatch.setenv("COLUMNS", "40")
    texts = []
    for terminal in (False, True):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)  # noqa: B023  (read within the loop)
        command_line()(args=[*words, *arguments], standalone_mode=False)
        texts.append(capsys.readouterr().out)
    piped, shown = texts
    assert max(map(cell_len, shown.splitlines())) <= 40 < max(map(cell_len, piped.splitlines()))
    assert not re.search(r" $", piped, re.MULTILINE)
    if words != ["config"]:  # which has its columns closer together
        assert "".join(shown.split()) == "".join(piped.split())


def test_a_difference_of_sources_keeps_its_marks_on_a_narrow_terminal() -> None:
    """Each piece of a long line begins with the mark of the line; a command stays whole, for a shell."""
    line = "+    return self.out(torch.cat([first, second, third], dim=-1))"
    pieces = list(prose.fitted_code(line, 30))
    assert max(map(len, pieces)) <= 30
    assert {piece[0] for piece in pieces} == {"+"}
    assert pieces[0] + "".join(piece[1:].lstrip() for piece in pieces[1:]) == line
    assert prose.fitted("  ", "move37 train repeat/e0001/source.py --sealed", 30).count("\n") == 0


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


def test_a_pipe_gets_every_text_whole() -> None:
    """Names of designs are not cut where no terminal limits them."""
    log = ROOT / "docs/campaigns/claim-seed41.jsonl.gz"
    rows = read_experiments(log)
    text = move37("experiments", "--log", str(log))
    assert max(len(row.name) for row in rows) > 60
    assert all(row.name in text for row in rows)
    assert "…" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_help_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The help of every command does, in whole sentences, and uses no more than 80 columns."""
    monkeypatch.setenv("COLUMNS", str(width))
    pending: list[tuple[Any, list[str]]] = [(get_command(command_line()), [])]
    pages: dict[str, str] = {}
    for command, words in pending:
        pages[" ".join(words)] = CliRunner().invoke(command_line(), [*words, "--help"]).output
        pending += [(each, [*words, name]) for name, each in getattr(command, "commands", {}).items()]
    assert len(pages) > 40
    too_wide = {path: line for path, page in pages.items() for line in page.splitlines() if len(line) > min(width, 80)}
    assert not too_wide
    assert not re.search(r"[a-z,]\.\.\.", pages[""])


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
