"""Every command on a how-to page works, on a lab that has really trained.

The commands of each page run in a copy of the checkout of their own, in order. The file is apart from that of the
tutorials, which need no such lab, so that another process can run it meanwhile.
"""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.support.documented_commands import HOW_TO, Reader, commands
from tests.support.labs import FinishedLab


@pytest.fixture(scope="module")
def owner_of(tmp_path_factory: pytest.TempPathFactory, finished: FinishedLab) -> Callable[[str], Reader]:
    """Return a function that returns the reader of a how-to page, who owns a lab."""

    @cache
    def owner(page: str) -> Reader:
        reader = Reader(tmp_path_factory.mktemp(Path(page).stem))
        shutil.copytree(finished.home, reader.checkout / "lab1")
        return reader

    return owner


@pytest.mark.parametrize(("page", "command"), commands(*HOW_TO), ids=lambda value: str(value)[:60])
def test_a_command_of_a_how_to_page_works(page: str, command: str, owner_of: Callable[[str], Reader]) -> None:
    """It has the exit code that the page says, after those before it on the page."""
    owner_of(page).run(command)
