"""Fixtures and rules of all tests: one real NATS server for the session, and slow tests last."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.nats import server

ROOT = Path(__file__).parent.parent


SLOW_FOLDERS = ("tests/lab", "tests/chaos")
"""Folders whose tests run whole labs."""

LONGEST = (
    "lab/test_campaign", "lab/test_docs_commands", "chaos/test_kills", "lab/test_how_to_commands", "lab/test_faults",
    "chaos/test_simulation", "lab/test_cli", "lab/test_endings", "lab/test_verified_campaign", "lab/test_archive",
    "lab/test_backup",
)  # fmt: skip
"""Files of those folders that take longest, the longest first: one that started last would keep the others waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests and put them last, so that an error in one function shows early."""
    for item in items:
        if item.path.relative_to(ROOT).as_posix().startswith(SLOW_FOLDERS):
            item.add_marker(pytest.mark.slow)
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """Return when a test is run: one of a single function first, then those of whole labs, the longest files first."""
    if item.get_closest_marker("slow") is None:
        return 0
    file = item.path.relative_to(ROOT / "tests").with_suffix("").as_posix()
    return 1 + (LONGEST.index(file) if file in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve one embedded NATS server to the whole session."""
    folder: Path = tmp_path_factory.mktemp("nats")
    port = server.free_port()
    process = server.start_server(folder, port)
    yield f"nats://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)
