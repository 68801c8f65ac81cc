"""The campaign that several test files inspect."""

import json

import pytest

from tests.support.labs import FinishedLab, move37


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinishedLab:
    """A small campaign with real training, run once for all tests that inspect its result."""
    home = tmp_path_factory.mktemp("lab") / "home"
    result = json.loads(move37("run", "--home", str(home), "--experiments", "3", "--trainers", "2", "--json"))
    return FinishedLab(home, result, result["seconds"])
