"""The documentation: it builds without a broken link, and every command on its tutorials and how-to pages works.

The commands of a page run in order, in one folder for all pages. Campaigns have instant trainers; `check` and `train`
are real, and so is the lab of the how-to page, whose results leave it.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.labs import ROOT, FinishedLab

TUTORIALS = ("tutorials/first-campaign.md", "tutorials/your-own-mixer.md", "tutorials/your-own-policy.md")
HOW_TO = tuple(f"how-to/{path.name}" for path in sorted((ROOT / "docs/how-to").glob("*.md")))
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXTRA_POLICIES = """
import agents.search
agents.search.__path__.append({folder!r})
"""
"""Start-up code of every process, by which a policy in the reader's folder counts as one in a checkout."""


def blocks(page: str, language: str) -> Iterator[tuple[str, str]]:
    """Yield the title and the text of each block of a language."""
    for found, title, text in BLOCK.findall((ROOT / "docs" / page).read_text()):
        if found == language:
            yield title, text


def commands(*pages: str) -> list[tuple[str, str]]:
    """Return every command with its page, in order."""
    return [(page, line) for page in pages for _, text in blocks(page, "sh") for line in text.splitlines() if line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the reader's folder, with the files that the pages say to write."""
    place = tmp_path_factory.mktemp("reader")
    for page in TUTORIALS:
        for title, text in blocks(page, "python"):
            (place / title).parent.mkdir(parents=True, exist_ok=True)
            (place / title).write_text(text)
    (place / "sitecustomize.py").write_text(EXTRA_POLICIES.format(folder=str(place / "agents" / "search")))
    return place


def run(command: str, folder: Path) -> str:
    """Run one command as its reader does, and return what it printed."""
    words = shlex.split(command)
    module = "tests.support.instant_command" if words[1] == "run" else "lab.cli"
    arguments = [sys.executable, "-m", module, *words[1:]] if words[0] == "move37" else [sys.executable, *words[1:]]
    place = ROOT if "pytest" in words else folder
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    result = subprocess.run(
        arguments, cwd=place, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, f"{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    return result.stdout + result.stderr


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("page", "command"), commands(*TUTORIALS), ids=lambda value: str(value)[:60])
def test_a_command_of_a_tutorial_works(page: str, command: str, folder: Path) -> None:
    """Its exit code is 0, after those before it."""
    assert run(command, folder), f"{command} on {page} prints nothing"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("page", "command"), commands(*HOW_TO), ids=lambda value: str(value)[:60])
def test_a_command_of_a_how_to_page_works(page: str, command: str, finished: FinishedLab, tmp_path: Path) -> None:
    """The lab has really trained its experiments."""
    (tmp_path / "lab1").symlink_to(finished.home)
    assert run(command, tmp_path), f"{command} on {page} prints nothing"


def test_the_pages_build_without_a_broken_link(tmp_path: Path) -> None:
    """Strictly: a link or an anchor to nowhere, and a page that no menu names, are errors."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for name in ("cli", "settings", "scales", "events", "queries", "sql", "gates", "metrics"):
        assert (tmp_path / "reference" / name / "index.html").exists()
