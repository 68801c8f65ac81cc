"""A local endpoint of the OpenAI protocol that gives the answers it was told to give."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Scripted = tuple[int, bytes] | Callable[[dict[str, Any]], tuple[int, bytes]]


class ScriptedModel:
    """An OpenAI-compatible endpoint that gives the answers it was told to give, in order, and keeps the requests."""

    def __init__(self) -> None:
        """Listen on a free port of the loopback."""
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.script: list[Scripted] = []
        self.otherwise: Scripted = (500, b'{"error": {"message": "script over"}}')
        """The answer to every request past the script."""
        self.release = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Base URL for a client."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def says(self, *answers: dict[str, Any]) -> None:
        """Answer the next requests with these typed answers."""
        self.script += [(200, completion(json.dumps(answer))) for answer in answers]

    def fails(self, status: int, message: str = "no") -> None:
        """Answer the next request with an error."""
        self.script.append((status, json.dumps({"error": {"message": message, "type": "test"}}).encode()))

    def babbles(self, content: str) -> None:
        """Answer the next request with a completion whose content is no typed answer."""
        self.script.append((200, completion(content)))

    def hangs(self) -> None:
        """Leave the next request without an answer until the server is closed."""

        def wait(_: dict[str, Any]) -> tuple[int, bytes]:
            self.release.wait(30)
            return 500, b"{}"

        self.script.append(wait)

    def close(self) -> None:
        """Stop listening."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        """Return a handler bound to this script."""
        model = self

        class Handler(BaseHTTPRequestHandler):
            """Serves POST /v1/chat/completions."""

            def do_POST(self) -> None:
                """Give the next scripted answer."""
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.requests.append(body)
                model.keys.append(self.headers.get("Authorization", ""))
                step = model.script.pop(0) if model.script else model.otherwise
                status, payload = step(body) if callable(step) else step
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(payload)))
                    self.end_headers()
                    self.wfile.write(payload)
                except (BrokenPipeError, ConnectionResetError):  # the client had stopped waiting
                    pass

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it so)
                """Keep the test's output quiet."""

        return Handler


def completion(content: str) -> bytes:
    """Return a chat completion with this content."""
    return json.dumps(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 0,
            "model": "scripted",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": content},
                    "logprobs": None,
                }
            ],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
    ).encode()
