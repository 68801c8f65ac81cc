"""What every room's tests share: a real NATS server for the session, and the log's builders."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.nats import server


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve one embedded NATS server to the whole session."""
    folder: Path = tmp_path_factory.mktemp("nats")
    port = server.free_port()
    process = server.start_server(folder, port)
    yield f"nats://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)
