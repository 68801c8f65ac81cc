"""The page's files, held in memory: a browser asks for forty at once, and none of them waits for a disk or a thread."""

from mimetypes import guess_type

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.modules import STATIC

PLAIN = "text/plain"


def page_files() -> Route:
    """Return the route of every file below `STATIC`, as they are now."""
    names = [path for path in STATIC.rglob("*") if path.is_file()]
    files = {path.relative_to(STATIC).as_posix(): (path.read_bytes(), guess_type(path)[0] or PLAIN) for path in names}

    async def answer(request: Request) -> Response:
        found = files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        content, kind = found
        return Response(content, media_type=kind)

    return Route("/static/{name:path}", answer, methods=["GET"])
