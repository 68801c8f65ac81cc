"""The JSON API that reads: rows, log pages, events of an experiment, readings, memory's standing, and the stream."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from bus.wire.envelope import Envelope, encode
from dashboard.history.changes import Row
from dashboard.server.access import Access
from dashboard.server.source import LabSource

MAX_PAGE = 500
"""Entries in one page of the log."""
MAX_RUNS_ASKED = 64
REPORT_POLICY = "frame-ancestors 'none'"
"""The report has a policy of its own, in its document."""


class Json(Response):
    """JSON as pydantic writes it, which is several times faster than the standard library."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the content as JSON; bytes are JSON already."""
        return content if isinstance(content, bytes) else to_json(content)


class ReadingApi:
    """Answers what a browser asks about one campaign."""

    def __init__(self, lab: LabSource, access: Access) -> None:
        """Answer from a lab, to browsers that may look."""
        self._lab, self._access = lab, access
        self._rows: tuple[object, int, bytes] = (None, -1, b"")

    def routes(self) -> list[Route]:
        """Return the paths, each answered for browsers that may look."""
        paths = {
            "/api/rows": self.rows, "/api/log": self.log, "/api/event/{id}": self.event,
            "/api/experiment/{id}": self.experiment, "/api/readings": self.readings, "/api/standing": self.standing,
            "/api/discovery": self.discovery,
            "/api/spending": self.spending, "/api/vitals": self.vitals, "/api/markers": self.markers,
            "/api/stream": self.stream, "/report": self.report,
        }  # fmt: skip
        return [Route(path, self._guarded(answer), methods=["GET"]) for path, answer in paths.items()]

    def _guarded(self, answer: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            self._access.require_reader(request)
            return await answer(request)

        return endpoint

    async def rows(self, request: Request) -> Response:
        """Return every row as of `at`; the newest ones are encoded once for all browsers.

        If the page shows the rows as of `shown` already, return those that differ and the ids of those to remove.
        """
        history, at, shown = self._lab.history, _number(request, "at"), _number(request, "shown")
        if shown:
            return Json(
                _rows_reply(history.campaign, at or history.last, *history.rows_between(shown, at or history.last))
            )
        if at and at < history.last:
            return Json(_rows_reply(history.campaign, at, history.rows_at(at).values()))
        if self._rows[:2] != (history, history.last):
            reply = _rows_reply(history.campaign, history.last, history.rows.values())
            self._rows = history, history.last, to_json(reply)
        return Json(self._rows[2])

    async def log(self, request: Request) -> Response:
        """Return a page of the log that matches a filter, newest first, and the number of all matches."""
        limit = min(_number(request, "limit") or 100, MAX_PAGE)
        at, before = _number(request, "at"), _number(request, "before")
        try:
            found, total = self._lab.history.page(
                request.query_params.get("filter", ""), at=at, before=before, limit=limit
            )
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        return Json({"total": total, "entries": [entry.listed() for entry in found]})

    async def event(self, request: Request) -> Response:
        """Return an event with its whole content, its cause and its effects."""
        history, event_id = self._lab.history, request.path_params["id"]
        entry = history.find(event_id)
        envelope = await self._lab.event_at(entry.seq) if entry else None
        if entry is None or envelope is None:
            raise HTTPException(404, "the log has no such event")
        cause = history.find(entry.cause) if entry.cause else None
        effects = [effect.listed() for effect in history.effects(event_id)]
        return Json({"event": _wire(envelope), "cause": cause and cause.listed(), "effects": effects})

    async def experiment(self, request: Request) -> Response:
        """Return every event about an experiment, oldest first, as the log has them."""
        envelopes = await self._lab.events_of(request.path_params["id"])
        if not envelopes:
            raise HTTPException(404, "the log has no such experiment")
        return Json(b'{"events":[%s]}' % b",".join(map(_wire_bytes, envelopes)))

    async def readings(self, request: Request) -> Response:
        """Return the loss readings of runs under way, by run and task."""
        runs = request.query_params.getlist("run")[:MAX_RUNS_ASKED]
        return Json({run: self._lab.readings.of(run) for run in runs})

    async def standing(self, _: Request) -> Response:
        """Return memory's newest scores and the guidance in force."""
        return Json(dict(self._lab.standing()))

    async def discovery(self, request: Request) -> Response:
        """Return the ladder, evidence, verdicts, arms and unit effects as of `at`."""
        return Json(dict(await self._lab.discovery(min(_number(request, "at"), self._lab.history.last))))

    async def spending(self, request: Request) -> Response:
        """Return what language models took up to `at`."""
        return Json(dict(await self._lab.spending(min(_number(request, "at"), self._lab.history.last))))

    async def vitals(self, _: Request) -> Response:
        """Return services, pace and progress."""
        return Json(dict(self._lab.vitals()))

    async def markers(self, _: Request) -> Response:
        """Return positions, times and types of events that are evenly spread over the log, for the scrubber."""
        return Json(list(self._lab.history.markers()))

    async def stream(self, request: Request) -> Response:
        """Return the stream of events and vitals, from `Last-Event-ID` on if the browser comes back."""
        if self._lab.hub.full:
            raise HTTPException(503, "too many browsers are connected")
        last = request.headers.get("last-event-id") or request.query_params.get("after")
        position = int(last) if last and last.isdecimal() and len(last) < 19 else None
        return StreamingResponse(self._allowed(request, position), media_type="text/event-stream")

    async def _allowed(self, request: Request, position: int | None) -> AsyncIterator[bytes]:
        """Yield the stream as long as the browser may look: its session may end meanwhile."""
        async for part in self._lab.hub.stream(position):
            if not self._access.may_read(request):
                return
            yield part

    async def report(self, _: Request) -> Response:
        """Return the report."""
        return HTMLResponse(await self._lab.report(), headers={"Content-Security-Policy": REPORT_POLICY})


def _rows_reply(campaign: str, at: int, rows: Iterable[Row], gone: Sequence[str] = ()) -> dict[str, Any]:
    return {"id": campaign, "at": at, "rows": list(rows), "gone": gone}


def _wire_bytes(envelope: Envelope) -> bytes:
    """Return a CloudEvent in JSON with its position."""
    return encode(envelope)[:-1] + b',"seq":%d}' % envelope.seq


def _wire(envelope: Envelope) -> Any:
    from pydantic_core import from_json

    return from_json(_wire_bytes(envelope))


def _number(request: Request, name: str) -> int:
    """Return a position or a count from the query string, 0 if it is missing. Raises HTTPException 400."""
    text = request.query_params.get(name, "0")
    if not text.isdecimal() or len(text) > 18:
        raise HTTPException(400, f"{name} = {text[:20]!r}; hint: give a number")
    return int(text)
