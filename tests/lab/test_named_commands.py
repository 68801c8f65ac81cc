"""Whatever command a page names exists: in blocks and within sentences, with options that it has.

Pages of tutorials and how-tos are run besides (`test_docs_commands.py`, `test_how_to_commands.py`). The development log
tells of the past.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from lab.commands import command_line
from tests.support.labs import ROOT

PAGES = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md"))
    if path.name != "dev-log.md"
)
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`((?:move37|make|python -m) [^`]+)`(?!`)")
PROGRAMS = ("move37 ", "make ", "python -m ")
TARGET = re.compile(r"^([\w-]+):", re.MULTILINE)
OPTION = re.compile(r"--[a-z][\w-]*")
SHELL_OPTIONS = {"--help", "--quiet", "--install-completion", "--show-completion"}
"""Options that every command takes, or the program itself."""


def named(page: Path) -> Iterator[str]:
    """Yield each command that a page names; several may stand in one line, set apart by four spaces."""
    text = page.read_text()
    for language, block in BLOCK.findall(text):
        for line in block.replace("\\\n", "").splitlines() if language[:2] in {"", "sh"} else ():
            words = line.partition(" # ")[0].strip()
            yield from (
                one.strip() for one in re.split(r" {4,}", words) if one.startswith(("move37", "make ", "python -m"))
            )
    yield from (re.sub(r"\s+", " ", command) for command in INLINE.findall(BLOCK.sub("", text)))


def fault(command: str) -> str:
    """Return what is wrong with a command; '' if nothing is."""
    program, _, rest = command.partition(" ")
    if program == "make":
        target = rest.split()[0]
        return "" if target in TARGET.findall((ROOT / "Makefile").read_text()) else f"no target {target}"
    if program == "python":
        module = rest.split()[1].strip(".,;")
        return "" if module == "..." or find_spec(module) else f"no module {module}"
    return option_fault(get_command(command_line()), rest)


def option_fault(command: Any, words: str) -> str:
    """Return which command or option `move37` lacks; '' if none."""
    name, _, rest = words.partition(" ")
    subcommands = getattr(command, "commands", {})
    if name in subcommands:
        return option_fault(subcommands[name], rest)
    if subcommands and name and not name.startswith(("-", "…", "...")):
        return f"no command {name}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = set(OPTION.findall(words.partition('"')[0])) - known - SHELL_OPTIONS
    return f"no option {min(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    """The command, its options, the target of make, the module."""
    assert {command: found for command in named(page) if (found := fault(command))} == {}
