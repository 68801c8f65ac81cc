"""A local OpenAI-compatible endpoint that replies by a script."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ScriptStep = tuple[int, bytes] | Callable[[dict[str, Any]], tuple[int, bytes]]
"""A status and a body, or a function of the request that returns them."""


class ScriptedModel:
    """An OpenAI-compatible endpoint that takes its replies from a script, in order, and records the requests."""

    def __init__(self) -> None:
        """Listen on a free port of the loopback."""
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.script: list[ScriptStep] = []
        self.default_step: ScriptStep = (500, b'{"error": {"message": "script over"}}')
        """The reply to every request after the end of the script."""
        self.release = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Base URL for a client."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def reply_with(self, *answers: dict[str, Any]) -> None:
        """Answer the next requests with these typed answers."""
        self.script += [(200, completion(json.dumps(answer))) for answer in answers]

    def fail_with(self, status: int, message: str = "no") -> None:
        """Answer the next request with an error."""
        self.script.append((status, json.dumps({"error": {"message": message, "type": "test"}}).encode()))

    def reply_with_text(self, content: str) -> None:
        """Answer the next request with a completion of this content."""
        self.script.append((200, completion(content)))

    def never_reply(self) -> None:
        """Leave the next request without a reply until the server closes."""

        def wait(_: dict[str, Any]) -> tuple[int, bytes]:
            self.release.wait(30)
            return 500, b"{}"

        self.script.append(wait)

    def close(self) -> None:
        """Stop the server."""
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
                """Reply with the next step of the script."""
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.requests.append(body)
                model.keys.append(self.headers.get("Authorization", ""))
                model.paths.append(self.path)
                model.headers.append({name.lower(): value for name, value in self.headers.items()})
                step = model.script.pop(0) if model.script else model.default_step
                status, payload = step(body) if callable(step) else step
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(payload)))
                    self.end_headers()
                    self.wfile.write(payload)
                except (BrokenPipeError, ConnectionResetError):  # the client no longer waits
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
