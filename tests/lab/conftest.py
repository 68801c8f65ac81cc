"""The campaign that several test files look at."""

import json

import pytest

from tests.support.labs import Ran, move37


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A small campaign on real training, run once for all tests that look at its traces."""
    home = tmp_path_factory.mktemp("lab") / "home"
    result = json.loads(move37("run", "--home", str(home), "--experiments", "3", "--trainers", "2", "--json"))
    return Ran(home, result, result["seconds"])
