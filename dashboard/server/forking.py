"""The JSON API that starts and stops forks of the campaign, for people who may speak."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.server.access import Access
from dashboard.server.inputs import read_input
from dashboard.server.reading import Json
from dashboard.server.source import ForkHost, ForkWish, LabSource


class ForkingApi:
    """Passes wishes for forks on; the vitals list the forks."""

    def __init__(self, lab: LabSource, access: Access) -> None:
        """Start forks next to a lab, for browsers that may speak."""
        self._lab, self._access = lab, access

    def routes(self) -> list[Route]:
        """Return the paths."""
        return [
            Route("/api/forks", self.start, methods=["POST"]),
            Route("/api/forks/{name}", self.stop, methods=["DELETE"]),
        ]

    async def start(self, request: Request) -> Response:
        """Start a fork from a position of the log with one change."""
        _, speaker = self._access.require_speaker(request)
        wish = await read_input(request, ForkWish)
        if wish.at > self._lab.history.last:
            raise HTTPException(400, f"at: the log ends at position {self._lab.history.last}")
        return Json({"name": await self._host().start(wish, speaker)})

    async def stop(self, request: Request) -> Response:
        """Ask a fork to end in order."""
        _, speaker = self._access.require_speaker(request)
        await self._host().stop(request.path_params["name"], speaker)
        return Json({})

    def _host(self) -> ForkHost:
        """Return where forks run. Raises HTTPException 404 if this dashboard starts none."""
        if self._lab.forks is None:
            raise HTTPException(404, "this dashboard starts no forks; hint: the commands on the page do")
        return self._lab.forks
