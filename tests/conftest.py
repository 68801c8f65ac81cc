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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests and put them last, so that an error in one function shows early."""
    slow = [item for item in items if item.path.relative_to(ROOT).as_posix().startswith(SLOW_FOLDERS)]
    for item in slow:
        item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve one embedded NATS server to the whole session."""
    folder: Path = tmp_path_factory.mktemp("nats")
    port = server.free_port()
    process = server.start_server(folder, port)
    yield f"nats://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)
