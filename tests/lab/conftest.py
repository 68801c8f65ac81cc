"""The campaign that several test files inspect."""

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import FinishedLab, move37

TRAINING_S = 900
"""Seconds that a test may take which may have to wait for the training of six experiments."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give time to each test that inspects the campaign: whichever comes first waits for it."""
    for item in items:
        if "finished" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(TRAINING_S))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinishedLab:
    """A small campaign with real training, run once; each of xdist's workers has a copy of its home."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "finished"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = _result(shared)
    home = tmp_path_factory.mktemp("lab") / "home"
    shutil.copytree(shared / "home", home)
    return FinishedLab(home, result, result["seconds"])


def _result(folder: Path) -> dict[str, Any]:
    """Return what the campaign in a folder printed, after running it if nobody has."""
    printed = folder / "result.json"
    if not printed.exists():
        arguments = ("--experiments", "3", "--baselines", "gla,retnet,gated-deltanet", "--trainers", "2", "--json")
        text = move37("run", "--home", str(folder / "home"), *arguments)
        printed.write_text(text)
    return json.loads(printed.read_text())
