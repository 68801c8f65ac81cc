"""Forks started over HTTP: who may start one, and what a wish may hold."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from dashboard.server.access import Access
from dashboard.server.app import create_app
from tests.support.recorded_lab import KEY, RecordedForks, RecordedLab, golden

ADDRESS = "http://127.0.0.1:8037"
WISH = {"at": 40, "text": "use the delta rule", "experiments": 9}


@pytest.fixture
def forks() -> RecordedForks:
    """Return forks that only note what people want."""
    return RecordedForks()


@pytest.fixture
def browser(forks: RecordedForks) -> Iterator[TestClient]:
    """Return a browser on the machine of a lab whose home is next to the server."""
    lab = RecordedLab(golden("normal"), forks)
    with TestClient(create_app(lab, Access(local=True)), base_url=ADDRESS, headers={"origin": ADDRESS}) as client:
        yield client


def signed_in(client: TestClient) -> dict[str, str]:
    """Sign in, and return the headers of a request that changes something."""
    assert client.post("/api/session", json={"key": KEY, "person": "ada"}).status_code == 200
    return {"x-csrf-token": client.get("/api/session").json()["csrf"]}


def test_a_fork_needs_a_key_the_page_itself_and_its_csrf_token(browser: TestClient, forks: RecordedForks) -> None:
    """Who only looks sees the forks, and starts and stops none; nor does another site's page."""
    assert browser.post("/api/forks", json=WISH).status_code == 401
    headers = signed_in(browser)
    assert browser.post("/api/forks", json=WISH).status_code == 403
    foreign = headers | {"origin": "https://evil.example"}
    assert browser.post("/api/forks", json=WISH, headers=foreign).status_code == 403
    assert forks.forks == []
    assert browser.post("/api/forks", json=WISH, headers=headers).json() == {"name": "at-40"}
    assert browser.delete("/api/forks/at-40", headers=foreign).status_code == 403
    assert browser.post("/api/forks", json=WISH, headers=headers).status_code == 409
    (shown,) = browser.get("/api/vitals").json()["forks"]["forks"]
    assert shown["state"] == "running"
    assert {name: shown[name] for name in WISH} == WISH
    assert browser.delete("/api/forks/at-40", headers=headers).status_code == 200
    assert browser.delete("/api/forks/at-40", headers=headers).status_code == 409


@pytest.mark.parametrize(
    "wish",
    [{}, {"at": 0}, {"at": 108}, {"at": 2**70}, {"at": 40, "text": "two\nlines"}, {"at": 40, "text": "x" * 2001},
     {"at": 40, "text": "a\0b"}, {"at": 40, "experiments": -1}, {"at": 40, "home": "/etc"}, {"at": 40, "scale": "base"},
     {"at": 40, "seed": -1}, {"at": 40, "policy": "--run"}, {"at": 40, "policy": "/tmp/p.py"},
     {"at": 40, "models": "http://127.0.0.1/v1"}],
    ids=lambda wish: str(wish)[:30],
)  # fmt: skip
def test_a_wish_has_declared_fields_alone(browser: TestClient, forks: RecordedForks, wish: dict[str, Any]) -> None:
    """A browser chooses no path, no program and no setting."""
    assert browser.post("/api/forks", json=wish, headers=signed_in(browser)).status_code == 400
    assert forks.forks == []


def test_a_dashboard_away_from_the_home_starts_none() -> None:
    """The page shows the commands then."""
    with TestClient(create_app(RecordedLab(golden("normal")), Access(local=True)), base_url=ADDRESS) as client:
        client.headers["origin"] = ADDRESS
        assert client.get("/api/vitals").json()["forks"] is None
        assert client.post("/api/forks", json=WISH, headers=signed_in(client)).status_code == 404
