"""Output that can't be written, terminals without Unicode, and homes with unusual names: it works, or says one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bus.nats import server
from lab.errors import LabError
from lab.home import Home
from memory.store import Store
from tests.support.labs import ROOT, FinishedLab

COMMANDS = (["config"], ["status"], ["experiments"], ["events"], ["experiments", "--json"])
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(*arguments: str, shell: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a command with a redirection of the shell."""
    return subprocess.run(
        ["bash", "-c", f'exec "$0" -m lab.cli "$@" {shell}', sys.executable, *arguments],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_full_disk_under_the_output_is_one_line(finished: FinishedLab, command: list[str]) -> None:
    """/dev/full stands for it; the exit code is 1, also if stderr is full too."""
    result = run(*command, "--home", str(finished.home), shell="> /dev/full")
    assert (result.returncode, result.stderr) == (1, b"move37: can't write the output: No space left on device\n")
    assert run("config", shell="> /dev/full 2> /dev/full").returncode == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    """`head` closes the pipe."""
    result = run("config", shell="| head -n 1")
    assert (result.returncode, result.stderr) == (0, b"")
    assert len(result.stdout.splitlines()) == 1


def test_closed_streams_are_no_error(finished: FinishedLab) -> None:
    """A file that is opened later doesn't take the number of a closed stream."""
    for shell in (">&-", "2>&-", "<&-"):
        assert run("status", "--home", str(finished.home), shell=shell).returncode == 0


@pytest.mark.parametrize("env", [ASCII, {"PYTHONIOENCODING": "ascii"}], ids=str)
@pytest.mark.parametrize("command", [["experiments"], ["experiments", "--json"], ["show", "e0001"]], ids=" ".join)
def test_a_terminal_without_unicode_gets_escapes(
    finished: FinishedLab, env: dict[str, str], command: list[str]
) -> None:
    """JSON stays JSON."""
    result = run(*command, "--home", str(finished.home), env=env)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.isascii()
    if "--json" in command:
        assert b"\\u00b7" in result.stdout


def test_what_is_no_folder_is_one_line(finished: FinishedLab) -> None:
    """An export names the path."""
    result = run("export", "e0001", "--out", "/dev/null/e0001", "--quiet", "--home", str(finished.home))
    assert (result.returncode, result.stderr) == (1, b"move37: /dev/null/e0001: Not a directory\n")


def test_an_export_replaces_no_device(finished: FinishedLab, tmp_path: Path) -> None:
    """A pipe stands for one; nothing is written next to it."""
    os.mkfifo(tmp_path / "pipe")
    result = run("export-log", str(tmp_path / "pipe"), "--home", str(finished.home))
    assert (result.returncode, b"no regular file" in result.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


@pytest.mark.parametrize("name", [b"sp ace", b"q'uote", b'dq"uote', b"new\nline", b"not\xffutf8", b"$HOME #{;}"])
def test_a_home_may_have_any_name(tmp_path: Path, name: bytes) -> None:
    """The server's store and memory's database are inside it."""
    home = Home(tmp_path / os.fsdecode(name))
    home.prepare()
    process = server.start_server(home.nats, server.free_port(), home.authorization())
    process.kill()
    process.wait()
    assert (home.nats / "store" / "jetstream").is_dir()
    Store(home.database).close()
    assert home.database.is_file()
    assert [path.name for path in tmp_path.iterdir()] == [os.fsdecode(name)]


def test_a_home_that_the_database_misreads_is_refused(tmp_path: Path) -> None:
    """DuckDB takes a backslash for a slash."""
    with pytest.raises(LabError, match="backslash"):
        Home(tmp_path / "back\\slash").prepare()
