"""Files that services offer: over a real server, from the service or from the bucket, and why one does not come."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bus.delivery.transport import NoAnswer, TransportError
from bus.nats import file_requests
from bus.nats.file_requests import FileRequest, fetch_file, offer_files
from bus.nats.object_store import CHUNK_BYTES, get_file
from bus.nats.transport import NatsTransport
from bus.wire import subjects

CONTENT = bytes(range(256)) * (CHUNK_BYTES // 256) * 2 + b"a last chunk"


@pytest_asyncio.fixture
async def reader(nats_url: str) -> AsyncIterator[NatsTransport]:
    """Yield a connection to a provisioned server."""
    transport = await NatsTransport.connect(nats_url, name="test")
    await transport.provision()
    yield transport
    await transport.close()


@pytest.fixture
def role(campaign: str) -> str:
    """Return a role that no other test uses."""
    return f"role-{campaign}"


def request_for(campaign: str, content: bytes = CONTENT) -> FileRequest:
    """Return the request for a file with this content."""
    return FileRequest(name=f"{campaign}/e0001/e0001-a0.safetensors", sha256=hashlib.sha256(content).hexdigest())


async def test_two_holders_put_a_file_once_and_it_stays(
    reader: NatsTransport, campaign: str, role: str, tmp_path: Path
) -> None:
    """The second reader gets it from the bucket, although nobody offers it any more."""
    file, asked = tmp_path / "file", []
    file.write_bytes(CONTENT)
    request = request_for(campaign)
    before = await reader.last_seq(subjects.FILES)

    def find(wanted: FileRequest) -> Path | None:
        asked.append(wanted)
        return file if wanted == request else None

    for _ in range(2):
        await offer_files(reader.client, role, find)
    assert await fetch_file(reader, role, request, 10.0) == CONTENT
    assert await reader.last_seq(subjects.FILES) == before + 4, "three chunks and a description"
    file.unlink()
    asked.clear()
    assert await fetch_file(reader, role, request, 10.0) == CONTENT
    assert not asked


async def test_a_file_that_does_not_come_says_why(
    reader: NatsTransport, campaign: str, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has it; it is larger than the bucket; another file came; the holder lost it; a part was dropped."""
    monkeypatch.setattr(file_requests, "OFFER_TIMEOUT_S", 0.3)
    request, file = request_for(campaign), tmp_path / "file"
    with pytest.raises(NoAnswer, match=f"no {role} that is running has it"):
        await fetch_file(reader, role, request, 1.0)
    await offer_files(reader.client, role, lambda _: file if file.exists() else None)
    await reader.client.publish(subjects.file_question(role), b"no request", reply="nowhere")
    with pytest.raises(NoAnswer, match="that is running has it"):
        await fetch_file(reader, role, request, 1.0)
    with file.open("wb") as sparse:
        sparse.truncate(2 << 30)
    with pytest.raises(TransportError, match=r"has 2048 MiB, and the bucket takes 1024; hint: .*OBJ_LAB_FILES"):
        await fetch_file(reader, role, request, 1.0)
    file.write_bytes(b"another content")
    with pytest.raises(TransportError, match="hint: try again"):
        await fetch_file(reader, role, request, 5.0)
    file.write_bytes(CONTENT)
    assert await fetch_file(reader, role, request, 5.0) == CONTENT
    newest = await reader.newest(subjects.FILES, subjects.file_chunks("*"))
    assert newest
    await reader.purge(subjects.FILES, newest.subject)
    assert await get_file(reader, request.name, request.sha256) is None


async def test_the_bucket_is_an_object_store_of_jetstream(
    reader: NatsTransport, campaign: str, role: str, tmp_path: Path
) -> None:
    """The ordinary client reads the file by its name."""
    file, request = tmp_path / "file", request_for(campaign)
    file.write_bytes(CONTENT)
    await offer_files(reader.client, role, lambda _: file)
    await fetch_file(reader, role, request, 5.0)
    store = await reader.client.jetstream().object_store(subjects.FILES_BUCKET)
    async with asyncio.timeout(10):
        assert (await store.get(request.name)).data == CONTENT
