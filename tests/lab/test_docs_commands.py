"""The documentation: it builds without a broken link, and every command on its tutorials works.

The commands of all tutorials run in one copy of the checkout, in order. Campaigns have instant trainers; `check` and
`train` are real. Those of how-to pages run in `test_how_to_commands.py`.

Commands of other pages repeat a discovery or run a campaign, which takes minutes to hours. So they are only read, with
the real parser; what they name must exist by then: files, experiments of a log, and what an earlier command writes.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from lab.commands import command_line
from lab.operations import replay
from lab.operations.export import completed_run
from tests.support.documented_commands import HOW_TO, TUTORIALS, Reader, blocks, commands
from tests.support.labs import ROOT
from tests.support.scripted_model import ScriptedModel, completion
from tests.support.thinker import Thinker

OTHERS = tuple(
    page
    for path in sorted((ROOT / "docs").rglob("*.md"))
    if (page := str(path.relative_to(ROOT / "docs"))) not in {*TUTORIALS, *HOW_TO, "dev-log.md"}
    and any(blocks(page, "sh"))
)
"""Pages of explanations and discoveries that have commands in blocks."""
MARKS = ("needs ", "on another host", "runs until Ctrl-C")
"""How the titles of blocks begin that a test can't run."""


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """Serve a model that thinks, and answers the questions of `move37 doctor` too; yield its address."""
    served, thinker = ScriptedModel(), Thinker()

    def answer(request: dict[str, Any]) -> tuple[int, bytes]:
        try:
            return thinker(request)
        except (AttributeError, KeyError):  # a question without a schema, or with one that no role asks with
            return 200, completion('{"answer": "Well."}')

    served.default_step = answer
    yield served.url
    served.close()


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Return the reader of the tutorials, with text of their own."""
    folder = tmp_path_factory.mktemp("student")
    text = folder / "my-text"
    text.mkdir()
    for number, path in enumerate(sorted((ROOT / "docs/explanation").glob("*.md"))):
        (text / f"{number}.txt").write_bytes(path.read_bytes())
    return Reader(folder)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("page", "command"), commands(*TUTORIALS), ids=lambda value: str(value)[:60])
def test_a_command_of_a_tutorial_works(page: str, command: str, student: Reader, model: str) -> None:
    """It has the exit code that the page says, after those before it. The model of `model.toml` has another address."""
    student.write(page)
    address = {"MOVE37_LLM__BASE_URL": model} if "model.toml" in command else {}
    assert student.run(command, address), f"{command} on {page} prints nothing"


@pytest.mark.parametrize(("page", "command"), commands(*TUTORIALS, *HOW_TO, marked=True), ids=lambda v: str(v)[:60])
def test_a_command_that_needs_more_is_well_formed(page: str, command: str) -> None:
    """`move37` knows its options, and the files of `deploy/` that it names exist."""
    words = shlex.split(command, comments=True)
    for word in words:
        assert not word.startswith("deploy/") or (ROOT / word).exists(), f"{word} on {page} does not exist"
    while words and "=" in words[0]:
        words = words[1:]
    if words[:1] == ["move37"]:
        parse(get_command(command_line()), words[1:])


@pytest.mark.parametrize("page", OTHERS)
def test_a_command_of_another_page_names_what_exists(page: str) -> None:
    """The parser takes it; the log has the experiment, with a completed run to repeat; a source was exported before."""
    exported = set[Path]()
    for _, line in commands(page) + commands(page, marked=True):
        words = shlex.split(line, comments=True)
        if words[0] != "move37":
            continue
        given = parse(get_command(command_line()), words[1:])  # raises UsageError
        if words[1] == "export":
            history = replay.read_history(ROOT / given["log"])
            assert completed_run(history, given["experiment"]), f"{line} on {page}: no completed run"
            exported.add(given["out"] / "source.py")
        if words[1] == "train":
            assert given["file"] in exported, f"{line} on {page}: no earlier command writes {given['file']}"


def parse(command: Any, words: list[str]) -> dict[str, Any]:
    """Return what the command line reads from words, without running the command. Raises UsageError, as it would."""
    subcommands = getattr(command, "commands", {})
    if words and words[0] in subcommands:
        return parse(subcommands[words[0]], words[1:])
    return command.make_context("move37", list(words)).params


def test_a_block_that_does_not_run_says_what_it_needs() -> None:
    """A title of another kind is a mistake."""
    titles = {block.title for page in (*TUTORIALS, *HOW_TO) for block in blocks(page, "sh") if block.title}
    assert titles
    assert not {title for title in titles if not title.startswith(MARKS)}


def test_the_pages_build_without_a_broken_link(tmp_path: Path) -> None:
    """Strictly: a link or an anchor to nowhere, and a page that no menu names, are errors.

    Without --quiet, with which MkDocs does not count warnings.
    """
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for name in ("cli", "settings", "scales", "events", "queries", "sql", "gates", "metrics"):
        assert (tmp_path / "reference" / name / "index.html").exists()
