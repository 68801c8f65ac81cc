"""The live page shows a snapshot in its parts, and no text changes its elements."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import Experiment
from dashboard.live import MAX_LEADERS, PARTS, SCRIPT, LiveSnapshot, SlotView, quick_parts, render_page, slow_parts
from dashboard.markup import Markup
from dashboard.scores import Scores
from dashboard.services import AbsentView, ServiceView
from tests.support.hostile_text import ATTACKS, page_shape, with_text_everywhere

Make = Callable[..., list[Experiment]]
MakeStatus = Callable[..., object]
CURVE = tuple(CurvePoint(task="text", step=step, loss=5 - step / 20) for step in range(1, 40))


def slots(text: str, count: int = 2) -> list[SlotView]:
    """Return open experiments with `text` in every field; the first one trains."""
    return [
        SlotView(f"e{9000 + number}", text, text, 0.25, {} if number else {text: 1.5}, () if number else CURVE)
        for number in range(count)
    ]


def parts(
    make_status: MakeStatus, experiments: Sequence[Experiment], text: str = "plain", count: int = 2
) -> dict[str, Markup]:
    """Return all parts of a running campaign."""
    status = make_status(list(experiments), finished=False, campaign=text, guidance=(text,))
    started = status.started.model_copy(update={"goal": text})  # type: ignore[attr-defined]
    status = status.model_copy(update={"started": started})  # type: ignore[attr-defined]
    snapshot = LiveSnapshot(
        status, experiments, slots(text, count), [(7, text), (6, text)], 12, 75.0, {"AnalysisReady": 2},
        [ServiceView(text, text, text, text, 75.0, 3, 1, 40, 2, text)], [AbsentView(text, None, text)],
    )  # fmt: skip
    return {**quick_parts(snapshot), **slow_parts(Scores(experiments))}


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_no_text_changes_the_page(
    make_campaign: Make, make_status: MakeStatus, read_page: Callable, attack: str
) -> None:
    """With an attack in every field the page has the same elements and attributes as with a plain word."""
    hostile, plain = (
        render_page(text, parts(make_status, with_text_everywhere(text, make_campaign(4)), text))
        for text in (attack, "plain")
    )
    assert page_shape(read_page(hostile)) == page_shape(read_page(plain))
    assert len(hostile) < 400_000
    hostile.encode()


def test_a_snapshot_is_shown_in_its_parts(make_campaign: Make, make_status: MakeStatus, read_page: Callable) -> None:
    """They are progress, slots with stage and losses, the curve of the training run, newest events and leaderboard."""
    page = read_page(render_page("c", parts(make_status, make_campaign(30), "in words", count=30)))
    assert [page.by_id(name).tag for name in PARTS] == ["div"] + ["section"] * (len(PARTS) - 1)
    assert "12 events a minute · about 1 min 15 s left" in page.by_id("head").text
    rows = page.by_id("slots").all("table")[0].all("tr")[1:]
    assert [row.all("th")[0].text for row in rows[:2]] == ["e9000", "e9001"]
    assert [cell.text for cell in rows[0].all("td")] == ["in words", "25%", "in words 1.500", "in words"]
    assert "and 6 more" in page.by_id("slots").text
    assert len(page.by_id("slots").all("path", "c0")) == 1
    assert [row.text for row in page.by_id("log").all("li")] == ["7 in words", "6 in words"]
    assert len(page.by_id("leaderboard").all("tr")) == 1 + MAX_LEADERS
    names = [node.attributes["id"] for node in page.walk() if "id" in node.attributes]
    assert len(names) == len(set(names))


def test_parts_without_content_are_empty(make_status: MakeStatus, read_page: Callable) -> None:
    """Before the first experiment only the head has content."""
    snapshot = LiveSnapshot(make_status([], finished=False))  # type: ignore[arg-type]
    all_parts = {**quick_parts(snapshot), **slow_parts(Scores(()))}
    assert {name for name, part in all_parts.items() if part} == {"head"}
    assert "is under way" in read_page(render_page("c", all_parts)).by_id("head").text


def test_a_lab_that_does_not_answer_gives_a_warning(make_status: MakeStatus) -> None:
    """The head says that the page shows the last known state."""
    snapshot = LiveSnapshot(make_status([], finished=False))  # type: ignore[arg-type]
    assert "does not answer" not in quick_parts(snapshot)["head"]
    assert "does not answer" in quick_parts(replace(snapshot, silent=True))["head"]


def test_services_and_absent_roles_are_shown(make_status: MakeStatus, read_page: Callable) -> None:
    """Each service with its host and its work, and each absent role with the command that starts one."""
    since = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    snapshot = LiveSnapshot(
        make_status([], finished=False),  # type: ignore[arg-type]
        services=[ServiceView("memory", "1", "host7", "0.1.0", 3700.0, 4, 2, 90, 1, "no luck", draining=True)],
        absent=[AbsentView("trainer", since, "move37 serve trainer"), AbsentView("desk", None, "move37 serve desk")],
    )
    page = read_page(render_page("c", {**quick_parts(snapshot), **slow_parts(Scores(()))}))
    row = page.by_id("services").all("tr")[1]
    cells = ["host7", "0.1.0", "1 h 01 min", "4", "2", "90", "1", "no luck"]
    assert [cell.text for cell in row.children if cell.text] == ["memory/1 (draining)", *cells]
    head = page.by_id("head").text
    assert "No trainer answers since 2026-03-01 12:05:00 UTC. Start one: move37 serve trainer" in head
    assert "No desk answers yet. Start one: move37 serve desk" in head


def test_the_numbers_of_the_head_agree(make_status: MakeStatus, read_page: Callable) -> None:
    """The sentence and the bar count the same experiments, people's and baselines included."""
    status = make_status([], finished=False).model_copy(  # type: ignore[attr-defined]
        update={"analysed": 5, "failed": 1, "rejected": 1, "unsettled": 3, "opened": 8, "settled": 6, "budget": 20}
    )
    head = read_page(render_page("c", {**quick_parts(LiveSnapshot(status)), **slow_parts(Scores(()))})).by_id("head")
    total = len(status.started.baselines) + 20 + 2
    assert f"7 of {total} experiments have ended" in head.text
    (bar,) = head.all("progress")
    assert (bar.attributes["value"], bar.attributes["max"]) == ("7", str(total))


def test_the_policy_allows_this_script_and_this_server(
    make_campaign: Make, make_status: MakeStatus, read_page: Callable
) -> None:
    """The Content-Security-Policy allows the script of this hash and the page's own server alone."""
    page = read_page(render_page("c", parts(make_status, make_campaign(8))))
    (script,), (policy,) = (
        page.all("script"), [m.attributes["content"] for m in page.all("meta") if "http-equiv" in m.attributes]
    )  # fmt: skip
    assert script.text == SCRIPT
    assert f"script-src 'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "connect-src 'self'" in policy
    links = {node.attributes["href"] for node in page.all("a")}
    assert {link for link in links if not link.startswith("#")} == {"report"}
    assert not [node.tag for node in page.walk() if {"src", "action", "srcset"} & set(node.attributes)]
