"""The live page: what it shows of a moment, and that nothing in it can take it over."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256

import pytest

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import Experiment
from dashboard.live import MAX_LEADERS, PARTS, SCRIPT, LiveSnapshot, SlotView, page, quick, slow
from dashboard.markup import Markup
from dashboard.scores import Scores
from tests.dashboard.test_report_hostile import ATTACKS, infected, shape

Make = Callable[..., list[Experiment]]
Stand = Callable[..., object]
CURVE = tuple(CurvePoint(task="text", step=step, loss=5 - step / 20) for step in range(1, 40))


def slots(words: str, count: int = 2) -> list[SlotView]:
    """Return experiments under way whose every text is `words`; the first trains."""
    return [
        SlotView(f"e{9000 + place}", words, words, 0.25, {words: 1.5} if not place else {}, () if place else CURVE)
        for place in range(count)
    ]


def parts(
    make_standing: Stand, experiments: Sequence[Experiment], words: str = "plain", count: int = 2
) -> dict[str, Markup]:
    """Return all parts of a campaign under way."""
    where = make_standing(list(experiments), finished=False, campaign=words, guidance=(words,))
    begun = where.started.model_copy(update={"goal": words})  # type: ignore[attr-defined]
    where = where.model_copy(update={"started": begun})  # type: ignore[attr-defined]
    now = LiveSnapshot(
        where, experiments, slots(words, count), [(7, words), (6, words)], 3, 9, 12, 75.0, {"AnalysisReady": 2}
    )
    return {**quick(now), **slow(Scores(experiments))}


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_no_text_changes_the_page(make_campaign: Make, make_standing: Stand, read_page: Callable, attack: str) -> None:
    """With an attack in every field each part has the very elements and attributes it has with a plain word."""
    hostile, plain = (
        page(words, parts(make_standing, infected(words, make_campaign(4)), words)) for words in (attack, "plain")
    )
    assert shape(read_page(hostile)) == shape(read_page(plain))
    assert len(hostile) < 400_000
    hostile.encode()


def test_a_moment_is_shown_in_its_parts(make_campaign: Make, make_standing: Stand, read_page: Callable) -> None:
    """Progress, slots with their stage and losses, the curve of the one that trains, newest events, the best."""
    shown = read_page(page("c", parts(make_standing, make_campaign(30), "in words", count=30)))
    assert [shown.by_id(name).tag for name in PARTS] == ["div"] + ["section"] * (len(PARTS) - 1)
    assert "3 of 9 experiments have ended · 12 events a minute · about 1 min 15 s left" in shown.by_id("head").text
    rows = shown.by_id("slots").all("table")[0].all("tr")[1:]
    assert [row.all("th")[0].text for row in rows[:2]] == ["e9000", "e9001"]
    assert [cell.text for cell in rows[0].all("td")] == ["in words", "25%", "in words 1.500", "in words"]
    assert "and 6 more" in shown.by_id("slots").text
    assert len(shown.by_id("slots").all("path", "c0")) == 1
    assert [row.text for row in shown.by_id("log").all("li")] == ["7 in words", "6 in words"]
    assert len(shown.by_id("leaderboard").all("tr")) == 1 + MAX_LEADERS
    names = [node.attributes["id"] for node in shown.walk() if "id" in node.attributes]
    assert len(names) == len(set(names))


def test_what_there_is_not_is_not_shown(make_standing: Stand, read_page: Callable) -> None:
    """Before anything is opened only the head has something to say; without a campaign too."""
    now = LiveSnapshot(make_standing([], finished=False))  # type: ignore[arg-type]
    found = {**quick(now), **slow(Scores(()))}
    assert {name for name, part in found.items() if part} == {"head"}
    assert "is under way" in read_page(page("c", found)).by_id("head").text


def test_a_lab_that_does_not_answer_is_told_of(make_standing: Stand) -> None:
    """Above what was known last."""
    now = LiveSnapshot(make_standing([], finished=False))  # type: ignore[arg-type]
    assert "does not answer" not in quick(now)["head"]
    assert "does not answer" in quick(replace(now, silent=True))["head"]


def test_the_policy_allows_this_script_and_this_server(
    make_campaign: Make, make_standing: Stand, read_page: Callable
) -> None:
    """Its one script by hash, its own stream, and nothing from anywhere else."""
    shown = read_page(page("c", parts(make_standing, make_campaign(8))))
    (script,), (policy,) = (
        shown.all("script"), [m.attributes["content"] for m in shown.all("meta") if "http-equiv" in m.attributes]
    )  # fmt: skip
    assert script.text == SCRIPT
    assert f"script-src 'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "connect-src 'self'" in policy
    links = {node.attributes["href"] for node in shown.all("a")}
    assert {link for link in links if not link.startswith("#")} == {"report"}
    assert not [node.tag for node in shown.walk() if {"src", "action", "srcset"} & set(node.attributes)]
