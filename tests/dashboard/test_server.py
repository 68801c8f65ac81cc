"""The dashboard's server: what it answers, whom it lets look and speak, and what it refuses."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from starlette.testclient import TestClient

from bus.vocabulary.events import HumanMessage
from bus.wire import subjects
from bus.wire.envelope import Envelope
from dashboard.server import serving
from dashboard.server.access import Access
from dashboard.server.app import create_app
from dashboard.server.hub import MAX_REPLAYED, Hub
from tests.support.recorded_lab import KEY, RecordedLab, golden, served

ADDRESS = "http://127.0.0.1:8037"
ORIGIN = {"origin": ADDRESS}


@pytest.fixture
def lab() -> RecordedLab:
    """Return a lab with a golden log."""
    return RecordedLab(golden("normal"))


def client_of(lab: RecordedLab, access: Access | None = None) -> TestClient:
    """Return a browser that looks at a lab."""
    return TestClient(create_app(lab, access or Access(local=True)), base_url=ADDRESS)


@pytest.fixture
def browser(lab: RecordedLab) -> Iterator[TestClient]:
    """Return a browser on the same machine."""
    with client_of(lab) as client:
        yield client


def sign_in(client: TestClient, **credentials: str) -> dict[str, str]:
    """Sign in, and return the headers of a request that changes something."""
    assert client.post("/api/session", json=credentials, headers=ORIGIN).status_code == 200
    return ORIGIN | {"x-csrf-token": client.get("/api/session").json()["csrf"]}


def test_rows_are_those_as_of_a_position(browser: TestClient, lab: RecordedLab) -> None:
    """Without a position they are today's, and every reply says of when it is."""
    now = browser.get("/api/rows").json()
    assert (now["id"], now["at"], len(now["rows"])) == ("nano-0-c16f", 107, 15)
    past = browser.get("/api/rows?at=40").json()
    assert past["at"] == 40
    assert {row["id"]: row for row in past["rows"]} == json.loads(json.dumps(lab.history.rows_at(40)))


@pytest.mark.parametrize(("shown", "at"), [(107, 40), (40, 80), (80, 12), (12, 0), (50, 50)])
def test_a_page_reads_only_the_rows_that_differ(browser: TestClient, lab: RecordedLab, shown: int, at: int) -> None:
    """They turn the rows of one position into those of another, earlier or later."""
    reply = browser.get("/api/rows", params={"shown": shown, "at": at}).json()
    rows = {name: row for name, row in lab.history.rows_at(shown).items() if name not in reply["gone"]}
    assert rows | {row["id"]: row for row in reply["rows"]} == lab.history.rows_at(at)
    assert shown != at or not reply["rows"] + reply["gone"]


def test_the_log_is_searched_in_pages(browser: TestClient) -> None:
    """The newest come first, and the total counts all matches."""
    page = browser.get("/api/log", params={"filter": "type:RunCompleted", "limit": 5}).json()
    assert page["total"] == 16
    assert [entry["type"] for entry in page["entries"]] == ["RunCompleted"] * 5
    assert browser.get("/api/log", params={"filter": "sort:x"}).status_code == 400
    assert browser.get("/api/log?before=x").status_code == 400


def test_an_event_comes_with_its_cause_and_effects(browser: TestClient, lab: RecordedLab) -> None:
    """The event is the CloudEvent of the log."""
    proposal = next(e for e in lab.events if e.type == "ProposalCreated" and e.experiment == "e0002")
    reply = browser.get(f"/api/event/{proposal.id}").json()
    assert reply["event"]["specversion"] == "1.0"
    assert reply["event"]["seq"] == proposal.seq
    assert reply["cause"]["type"] == "ProposalRequested"
    assert "RunRequested" in [effect["type"] for effect in reply["effects"]]
    assert browser.get("/api/event/none").status_code == 404


def test_an_experiment_is_its_events(browser: TestClient) -> None:
    """Each with its source, as the log has it."""
    events = browser.get("/api/experiment/e0002").json()["events"]
    assert [event["type"].split(".")[0] for event in events][:2] == ["ProposalRequested", "ProposalCreated"]
    assert "class" in events[1]["data"]["source"]
    assert browser.get("/api/experiment/e9999").status_code == 404


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/healthz", "GET", 200), ("/report", "GET", 200), ("/", "GET", 200), ("/static/app.js", "GET", 200),
     ("/static/../server/app.py", "GET", 404), ("/static/%2e%2e/server/app.py", "GET", 404),
     ("/etc/passwd", "GET", 404),
     ("/", "POST", 405), ("/api/rows", "PUT", 405), ("/api/stream", "DELETE", 405), ("/api/rows?at=-1", "GET", 400)],
)  # fmt: skip
def test_other_paths_and_methods_are_refused(browser: TestClient, path: str, method: str, status: int) -> None:
    """No reply is a traceback."""
    reply = browser.request(method, path)
    assert reply.status_code == status
    assert "Traceback" not in reply.text


@pytest.mark.parametrize("path", ["/", "/api/rows", "/static/app.js", "/nothing"])
def test_every_reply_has_the_security_headers(browser: TestClient, path: str) -> None:
    """No inline script or style runs, and no text becomes markup."""
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"} <= set(policy.split("; "))
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8037", 200), ("127.0.0.1", 200), ("[::1]:8037", 200), ("lab.example:8037", 400),
     ("127.0.0.1.lab.example", 400), ("", 400), ("[", 400)],
)  # fmt: skip
def test_a_foreign_host_name_is_refused(browser: TestClient, host: str, status: int) -> None:
    """A page whose host name resolves to this machine (DNS rebinding) can't read the lab through a browser."""
    assert browser.get("/healthz", headers={"host": host}).status_code == status


def test_speaking_needs_a_key_the_page_itself_and_its_csrf_token(browser: TestClient, lab: RecordedLab) -> None:
    """On this machine too. What is refused is not published."""
    words = {"text": "try the delta rule"}
    assert browser.post("/api/say", json=words, headers=ORIGIN).status_code == 401
    assert browser.post("/api/session", json={"key": "SUWRONG"}, headers=ORIGIN).status_code == 401
    headers = sign_in(browser, key=KEY, person="ada")
    assert browser.post("/api/say", json=words, headers=ORIGIN).status_code == 403
    assert browser.post("/api/say", json=words, headers=headers | {"origin": "https://evil.example"}).status_code == 403
    assert browser.post("/api/say", json=words, headers={"x-csrf-token": headers["x-csrf-token"]}).status_code == 403
    assert browser.post("/api/say", content="text=x", headers=headers).status_code == 415
    assert browser.post("/api/say", json={"kind": "rm"}, headers=headers).status_code == 400
    assert asyncio.run(lab.bus.last_seq(subjects.HUMAN)) == 0
    assert browser.post("/api/say", json=words, headers=headers).json() == {"subject": "lab.human.nano-0-c16f.ada"}
    (stored,) = asyncio.run(lab.bus.read(subjects.HUMAN))
    assert json.loads(stored.payload) == words


def test_signing_out_ends_the_connection_of_the_person(browser: TestClient, lab: RecordedLab) -> None:
    """The server keeps no key."""
    headers = sign_in(browser, key=KEY)
    assert browser.get("/api/session").json()["person"] == "owner"
    assert browser.delete("/api/session", headers=headers).status_code == 200
    assert lab.speakers[0].closed
    assert browser.post("/api/say", json={"text": "x"}, headers=headers).status_code == 401


def test_checking_a_source_needs_a_key(browser: TestClient, lab: RecordedLab) -> None:
    """It runs a sandbox, so not everybody who looks may start it."""
    assert browser.post("/api/check", json={"source": "x"}, headers=ORIGIN).status_code == 401
    headers = sign_in(browser, key=KEY)
    assert browser.post("/api/check", json={"source": "class M: ..."}, headers=headers).json()["verdict"] == "passed"
    assert lab.checked == ["class M: ..."]


def test_on_another_address_looking_needs_a_token_or_a_key(lab: RecordedLab) -> None:
    """The page itself is no secret; the lab's data is."""
    for credentials in ({"token": "t0k3n"}, {"key": KEY}):
        with client_of(lab, Access(local=False, token="t0k3n")) as client:
            for path in ("/api/rows", "/api/log", "/api/stream", "/report", "/api/experiment/e0002"):
                assert client.get(path).status_code == 401
            assert client.post("/api/session", json={"token": "wrong"}, headers=ORIGIN).status_code == 401
            assert client.get("/").status_code == 200
            sign_in(client, **credentials)
            assert client.get("/api/rows").status_code == 200


def test_a_token_does_not_let_anybody_speak(lab: RecordedLab) -> None:
    """Only a person's key does."""
    with client_of(lab, Access(local=False, token="t0k3n")) as client:
        headers = sign_in(client, token="t0k3n")
        assert client.post("/api/say", json={"text": "x"}, headers=headers).status_code == 401


def test_a_large_request_is_refused(browser: TestClient) -> None:
    """Before it is read."""
    headers = sign_in(browser, key=KEY)
    assert browser.post("/api/say", json={"text": "x" * 600_000}, headers=headers).status_code == 413


async def taken(hub: Hub, count: int, last: int | None = None) -> list[str]:
    """Return the first messages of a stream."""
    stream = hub.stream(last)
    try:
        return [(await asyncio.wait_for(anext(stream), 5)).decode() for _ in range(count)]
    finally:
        await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]


async def test_a_stream_resumes_after_the_last_event() -> None:
    """A browser that comes back gets what it missed as the CloudEvents of the log, each with its position."""
    events = golden("normal")
    hub = Hub()
    for envelope in events:
        hub.remember(envelope)
    first, second = await taken(hub, 2, last=105)
    assert first.startswith("id: 106\nevent: log\ndata: ")
    assert json.loads(second.split("data: ")[1])["id"] == events[106].id
    assert (await taken(hub, 1, last=107)) == [": connected\n\n"]


async def test_a_browser_that_missed_too_much_loads_everything_again() -> None:
    """The same holds for one that has seen more than this server: another campaign, or another log."""
    hub, event = Hub(), golden("normal")[5]
    for seq in range(1, MAX_REPLAYED + 100):
        hub.remember(event.at_position(seq))
    assert "event: reset" in (await taken(hub, 1, last=3))[0]
    assert "event: reset" in (await taken(hub, 1, last=10_000))[0]


async def test_a_slow_browser_is_disconnected() -> None:
    """The hub never waits for one."""
    hub, event = Hub(), golden("normal")[5]
    stream = hub.stream()
    assert await anext(stream) == b": connected\n\n"
    for seq in range(1, 3 * MAX_REPLAYED):
        hub.publish(event.at_position(seq))
    rest = [message async for message in stream]
    assert len(rest) <= 3 * MAX_REPLAYED
    assert hub.streams == 0


def test_half_open_connections_are_bounded(lab: RecordedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 connections that send no request leave space for a browser, and are closed after a while."""
    monkeypatch.setattr(serving, "REQUEST_TIMEOUT_S", 0.5)
    with served(lab) as url:
        port = int(url.rstrip("/").rsplit(":", 1)[1])
        silent = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(300)]
        deadline = time.monotonic() + 20
        while not _answers(port):
            assert time.monotonic() < deadline
        for connection in silent:
            connection.settimeout(5)
            assert _is_closed(connection)
            connection.close()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_a_new_event_reaches_a_browser(lab: RecordedLab) -> None:
    """Over HTTP, with its position as its id."""
    with served(lab) as url:
        connection = HTTPConnection("127.0.0.1", int(url.rstrip("/").rsplit(":", 1)[1]), timeout=10)
        connection.request("GET", "/api/stream")
        reply = connection.getresponse()
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.readline() == b": connected\n"
        cause = lab.events[-1]
        spoken = HumanMessage(kind="steer", text="<b>hi</b>")
        lab.add(Envelope("f" * 32, "/lab/desk/1", cause.time, cause.campaign, "campaign", spoken, seq=108))
        lines = [reply.readline().decode() for _ in range(4)]
        assert lines[1:3] == ["id: 108\n", "event: log\n"]
        assert json.loads(lines[3].removeprefix("data: "))["data"]["text"] == "<b>hi</b>"
        connection.close()
