"""A service's health over HTTP, for the probes of Kubernetes and Compose (setting `health_port`).

`/healthz` answers 200 while the event loop turns; `/readyz` answers 200 once the service takes work, else 503.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from lab.errors import LabError

REQUEST_TIMEOUT_S = 5.0


@contextlib.asynccontextmanager
async def answering(port: int | None, is_ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Answer probes on a port while the context lasts; without a port, do nothing. Raises LabError if it is taken."""
    if port is None:
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                status = _status((await reader.readline()).split(), is_ready)
                writer.write(f"HTTP/1.0 {status.value} {status.phrase}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, "0.0.0.0", port)  # noqa: S104  (a probe comes from outside)
    except OSError as error:
        raise LabError(f"can't listen on port {port} ({error.strerror}); hint: choose another health_port") from None
    async with server:
        yield


def _status(words: list[bytes], is_ready: Callable[[], bool]) -> HTTPStatus:
    match words:
        case [b"GET" | b"HEAD", b"/healthz", *_]:
            return HTTPStatus.OK
        case [b"GET" | b"HEAD", b"/readyz", *_]:
            return HTTPStatus.OK if is_ready() else HTTPStatus.SERVICE_UNAVAILABLE
        case _:
            return HTTPStatus.NOT_FOUND
