"""The dashboard as an ASGI application: page, API, report and health check, behind the checks of every request.

A request with a foreign host name is refused: a page whose name resolves to this machine (DNS rebinding) can't read the
lab through a browser.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard.modules import served_page
from dashboard.server.access import LOOPBACK_HOSTS, Access
from dashboard.server.forking import ForkingApi
from dashboard.server.headers import SecurityHeaders
from dashboard.server.page_files import page_files
from dashboard.server.reading import Json, ReadingApi
from dashboard.server.source import ForkRefused, KeyRefused, LabSilent, LabSource
from dashboard.server.speaking import SpeakingApi

MAX_BODY_BYTES = 512 * 1024
"""Size of the largest request."""
SESSION_CHECK_S = 60.0
STATUS_OF = {LabSilent: 503, KeyRefused: 403, ForkRefused: 409}
"""Errors of the lab behind the server → the status of the reply."""


def create_app(lab: LabSource, access: Access) -> Starlette:
    """Return the application that shows a lab to browsers."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        ending = asyncio.create_task(_close_ended_sessions(access))
        yield
        ending.cancel()
        await access.close_all()

    return Starlette(
        routes=[
            Route("/", _page),
            Route("/healthz", _health),
            *ReadingApi(lab, access).routes(),
            *SpeakingApi(lab, access).routes(),
            *ForkingApi(lab, access).routes(),
            page_files(),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_HOSTS if access.local else ["*"]),
            Middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY_BYTES),
        ],
        exception_handlers={HTTPException: _refuse, **{kind: _answer_with(code) for kind, code in STATUS_OF.items()}},
        lifespan=lifespan,
    )


async def _close_ended_sessions(access: Access) -> None:
    """Close sessions soon after their end: each keeps a person's connection to the lab open."""
    while True:
        await asyncio.sleep(SESSION_CHECK_S)
        await access.close_ended()


async def _page(_: Request) -> Response:
    return HTMLResponse(served_page())


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Json({"error": error.detail}, status_code=error.status_code, headers=error.headers)


def _answer_with(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, error: Exception) -> Response:
        return Json({"error": str(error)}, status_code=status)

    return answer
