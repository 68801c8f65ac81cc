"""The commands of documentation pages: which there are, and how a reader runs them.

A block of `sh` holds one command a line. A block with a title needs something that a test lacks: the title says what
("needs Docker", "on another host"), and its commands are only read. Every other command runs in a copy of the checkout.
A comment `# exit code 1` at the end of a command says that it fails, and how.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.support.labs import ROOT

TUTORIALS = tuple(
    f"tutorials/{name}.md"
    for name in ("first-campaign", "your-own-mixer", "your-own-policy", "your-own-data", "your-own-model")
)
HOW_TO = tuple(f"how-to/{path.name}" for path in sorted((ROOT / "docs/how-to").glob("*.md")))
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXIT_CODE = re.compile(r"# exit code (\d+)$")
_LEFT_OUT = ("build", "site", "node_modules", ".*")
_MOVE37 = """#!/bin/sh
module=lab.cli
if [ "$1" = run ]; then module=tests.support.instant_command; fi
exec {python} -m $module "$@"
"""
"""`move37` of the reader's shell: a campaign has instant trainers."""
_PYTHON = """#!/bin/sh
exec {python} "$@"
"""


@dataclass(frozen=True)
class FencedBlock:
    """A fenced block of a page."""

    page: str
    language: str
    title: str
    text: str


def blocks(page: str, language: str) -> Iterator[FencedBlock]:
    """Yield each block of a language; `page` is a path below `docs`."""
    for found, title, text in _BLOCK.findall((ROOT / "docs" / page).read_text()):
        if found == language:
            yield FencedBlock(page, language, title, text)


def commands(*pages: str, marked: bool = False) -> list[tuple[str, str]]:
    """Return every command with its page, in order: those that run here, or those marked as needing more."""
    found = [block for page in pages for block in blocks(page, "sh") if bool(block.title) == marked]
    return [
        (block.page, line)
        for block in found
        for line in block.text.replace("\\\n", "").splitlines()
        if line and not line.startswith("#")
    ]


class Reader:
    """A reader with a copy of the checkout, whose shell has `move37` and `python`."""

    def __init__(self, folder: Path) -> None:
        """Copy the checkout to `folder / "checkout"`."""
        self.checkout = folder / "checkout"
        shutil.copytree(ROOT, self.checkout, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        tools = folder / "bin"
        tools.mkdir()
        for name, script in (("move37", _MOVE37), ("python", _PYTHON)):
            (tools / name).write_text(script.format(python=sys.executable))
            (tools / name).chmod(0o755)
        paths = {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(self.checkout)}
        self._environment = {**os.environ, **paths}
        self._written = set[str]()

    def write(self, page: str) -> None:
        """Write the files that a page shows, once: Python whole, TOML at the end of the file."""
        if page in self._written:
            return
        self._written.add(page)
        for block in (*blocks(page, "python"), *blocks(page, "toml")):
            if block.title:
                path = self.checkout / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                before = path.read_text() if block.language == "toml" and path.exists() else ""
                path.write_text(before + block.text)

    def run(self, command: str, environment: Mapping[str, str] = MappingProxyType({})) -> str:
        """Run a command in the checkout, and return what it printed; fail if its exit code is another one."""
        expected = _EXIT_CODE.search(command)
        result = subprocess.run(
            ["/bin/bash", "-c", command], cwd=self.checkout, env={**self._environment, **environment},
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        printed = result.stdout + result.stderr
        assert result.returncode == (int(expected[1]) if expected else 0), printed[-4000:]
        return printed
