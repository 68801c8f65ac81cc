"""The JSON API that signs people in, checks what they propose, and passes their words on."""

import asyncio
from typing import Literal

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bus.vocabulary.events import OWNER, HumanKind
from dashboard.server.access import Access
from dashboard.server.inputs import BrowserInput, read_input
from dashboard.server.reading import Json
from dashboard.server.source import KeyRefused, LabSource

REFUSAL_DELAY_S = 0.5
"""Seconds before a wrong token or key is refused: guessing takes for ever."""
MAX_SIGN_INS = 4
"""Attempts to sign in that may be under way at once."""
MAX_SOURCE_CHARACTERS = 200_000


class SignIn(BrowserInput):
    """What a browser signs in with."""

    token: str = Field(default="", max_length=200)
    key: str = Field(default="", max_length=4_000)
    person: str = Field(default="", max_length=64, pattern=r"^[A-Za-z0-9_-]*$")


class Words(BrowserInput):
    """What a person says."""

    kind: HumanKind | Literal[""] = ""
    text: str = Field(default="", max_length=2_000)
    target: str = Field(default="", max_length=64)
    source: str = Field(default="", max_length=MAX_SOURCE_CHARACTERS)


class SourceDraft(BrowserInput):
    """An architecture file to check."""

    source: str = Field(max_length=MAX_SOURCE_CHARACTERS)


class SpeakingApi:
    """Signs in, checks and speaks."""

    def __init__(self, lab: LabSource, access: Access) -> None:
        """Pass words on to a lab, for browsers that may speak."""
        self._lab, self._access = lab, access
        self._signing_in, self._checking = asyncio.Semaphore(MAX_SIGN_INS), asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return the paths."""
        return [
            Route("/api/session", self.session, methods=["GET"]),
            Route("/api/session", self.sign_in, methods=["POST"]),
            Route("/api/session", self.sign_out, methods=["DELETE"]),
            Route("/api/say", self.say, methods=["POST"]),
            Route("/api/check", self.check, methods=["POST"]),
        ]

    async def session(self, request: Request) -> Response:
        """Return what this browser may do."""
        session = self._access.session(request)
        return Json(
            {
                "may_read": self._access.may_read(request),
                "person": session.person if session else "",
                "csrf": session.csrf if session else "",
            }
        )

    async def sign_in(self, request: Request) -> Response:
        """Start a session for a browser that knows the token, or has a person's key."""
        self._access.require_same_origin(request)
        wanted = await read_input(request, SignIn)
        if self._signing_in.locked():
            raise HTTPException(503, "too many people sign in at once; try again")
        response, before = Json({}), self._access.session(request)
        async with self._signing_in:
            if wanted.key:
                await self._open_for_key(response, wanted)
            elif self._access.knows_token(wanted.token):
                await self._access.open(response)
            else:
                await asyncio.sleep(REFUSAL_DELAY_S)
                raise HTTPException(401, "this is not the server's token")
        if before:
            await self._access.close(before)
        return response

    async def _open_for_key(self, response: Response, wanted: SignIn) -> None:
        try:
            speaker = await self._lab.sign_in(wanted.person, wanted.key.strip())
        except KeyRefused as error:
            await asyncio.sleep(REFUSAL_DELAY_S)
            raise HTTPException(401, str(error)) from None
        await self._access.open(response, wanted.person or OWNER, speaker)

    async def sign_out(self, request: Request) -> Response:
        """End the browser's session."""
        self._access.require_same_origin(request)
        if session := self._access.session(request):
            await self._access.close(session)
        return Json({})

    async def say(self, request: Request) -> Response:
        """Publish a person's message with the person's own key."""
        _, speaker = self._access.require_speaker(request)
        words = await read_input(request, Words)
        if not (words.text or words.kind):
            raise HTTPException(400, "nothing to say; hint: write a message")
        message = {name: value for name, value in words.model_dump().items() if value}
        subject = await speaker.say(self._lab.history.campaign, message)
        return Json({"subject": subject})

    async def check(self, request: Request) -> Response:
        """Return the verdict of the static check and the gates on a source, which runs in the sandbox."""
        self._access.require_speaker(request)
        draft = await read_input(request, SourceDraft)
        if self._checking.locked():
            raise HTTPException(503, "another file is being checked; try again")
        async with self._checking:
            return Json(dict(await self._lab.check(draft.source)))
