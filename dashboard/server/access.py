"""Who may look and who may speak.

On loopback everybody on this machine may look. On any other address a browser signs in with the server's token, or
with a person's key. Speaking always needs a person's key: the lab's own server checks it, and this one only passes the
words on over a connection of that person. A request that changes something also needs the session's CSRF token and an
Origin that is this server's own.
"""

import hmac
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dashboard.server.source import PersonSpeaker

COOKIE = "move37_session"
CSRF_HEADER = "x-csrf-token"
SESSION_S = 12 * 3600.0
"""Seconds after which a session ends."""
MAX_SESSIONS = 64
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]")


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A browser that has signed in."""

    id: str
    csrf: str
    """Sent with every request that changes something."""
    person: str = ""
    """Who speaks: a person's name, or `owner`; empty if the browser may only look."""
    speaker: PersonSpeaker | None = None
    ends: float = field(default_factory=lambda: time.monotonic() + SESSION_S)


class Access:
    """Sessions of browsers, and the rules."""

    def __init__(self, *, local: bool, token: str = "") -> None:
        """`local` lets every browser look; `token` lets one look that knows it, without one only a key does."""
        self.local, self._token = local, token
        self._sessions: dict[str, BrowserSession] = {}

    def session(self, request: Request) -> BrowserSession | None:
        """Return the browser's session, None if it has none or it has ended."""
        found = self._sessions.get(request.cookies.get(COOKIE, ""))
        return found if found and found.ends > time.monotonic() else None

    def may_read(self, request: Request) -> bool:
        """Return whether a browser may look."""
        return self.local or self.session(request) is not None

    def require_reader(self, request: Request) -> None:
        """Raise HTTPException 401 for a browser that may not look."""
        if not self.may_read(request):
            raise HTTPException(401, "sign in with the server's token or with your key")

    def require_same_origin(self, request: Request) -> None:
        """Raise HTTPException 403 for a request that another site's page makes."""
        origin = urlsplit(request.headers.get("origin", ""))
        if not origin.netloc or origin.netloc.lower() != request.headers.get("host", "").lower():
            raise HTTPException(403, "this request does not come from the dashboard's own page")

    def require_speaker(self, request: Request) -> tuple[BrowserSession, PersonSpeaker]:
        """Return the session and the connection of the person who speaks. Raises HTTPException 401 and 403."""
        self.require_same_origin(request)
        session = self.session(request)
        if session is None or session.speaker is None:
            raise HTTPException(401, "sign in with your key to speak to the lab")
        if not hmac.compare_digest(session.csrf, request.headers.get(CSRF_HEADER, "")):
            raise HTTPException(403, "the page is out of date; reload it")
        return session, session.speaker

    def knows_token(self, token: str) -> bool:
        """Return whether this is the server's token."""
        return bool(self._token) and hmac.compare_digest(self._token.encode(), token.encode())

    async def open(self, response: Response, person: str = "", speaker: PersonSpeaker | None = None) -> BrowserSession:
        """Start a session, and give its cookie to the browser."""
        await self._make_room()
        session = BrowserSession(secrets.token_urlsafe(32), secrets.token_urlsafe(32), person, speaker)
        self._sessions[session.id] = session
        response.set_cookie(COOKIE, session.id, max_age=int(SESSION_S), httponly=True, samesite="strict")
        return session

    async def close(self, session: BrowserSession) -> None:
        """End a session, and the person's connection."""
        self._sessions.pop(session.id, None)
        if session.speaker:
            await session.speaker.close()

    async def close_ended(self) -> None:
        """End the sessions whose time is over, and their connections."""
        now = time.monotonic()
        for session in [each for each in self._sessions.values() if each.ends <= now]:
            await self.close(session)

    async def close_all(self) -> None:
        """End every session."""
        for session in list(self._sessions.values()):
            await self.close(session)

    async def _make_room(self) -> None:
        """End the sessions whose time is over, and the oldest one if there are too many."""
        await self.close_ended()
        while len(self._sessions) >= MAX_SESSIONS:
            await self.close(next(iter(self._sessions.values())))
