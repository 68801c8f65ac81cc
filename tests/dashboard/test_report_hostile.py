"""No text from people, models or candidates changes the elements of the report page."""

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

import pytest

from bus.vocabulary.queries import Experiment
from tests.support.hostile_text import ATTACKS, page_shape, with_text_everywhere

Make = Callable[..., list[Experiment]]


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_no_text_changes_the_page(
    make_campaign: Make, make_status: Callable, render: Callable, read_page: Callable, attack: str
) -> None:
    """With an attack in every field the page has the same elements and attributes as with a plain word."""
    pages = []
    for text in (attack, "plain"):
        experiments = with_text_everywhere(text, make_campaign(4))
        status = make_status(experiments, guidance=(text,), campaign=text)
        started = status.started.model_copy(update={"goal": text, "data": text, "scale": text, "baselines": (text,)})
        status = status.model_copy(update={"started": started})
        page = render(experiments, status=status, notes=(text,), sandbox=text, events={text: 3})
        pages.append(read_page(page))
    assert page_shape(pages[0]) == page_shape(pages[1])


@pytest.mark.parametrize("attack", ATTACKS[:5])
def test_a_source_is_shown_literally(make_campaign: Make, render: Callable, read_page: Callable, attack: str) -> None:
    """The page has exactly the proposed source."""
    page = render(with_text_everywhere(attack, make_campaign(2)))
    assert read_page(page).by_id("e0001").all("pre")[0].text == f"\n{attack}"


def test_characters_that_reorder_or_control_text_are_shown_as_code_points(
    make_campaign: Make, render: Callable
) -> None:
    """The page has no control, no direction mark and no lone surrogate, and encodes to UTF-8."""
    page = render(with_text_everywhere(ATTACKS[5], make_campaign(2)))
    page.encode()
    assert "⟨U+202E⟩gnp.exe⟨U+2066⟩␀␛[2J⟨U+D83D⟩" in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


def test_long_texts_are_cut(make_campaign: Make, render: Callable) -> None:
    """The page stays small if every field has a hundred thousand characters."""
    assert len(render(with_text_everywhere(ATTACKS[7], make_campaign(2)))) < 1_000_000


def test_deep_designs_are_cut(make_campaign: Make, render: Callable) -> None:
    """The page shows a dozen levels of a design that is nested a hundred deep."""
    design: object = "end"
    for _ in range(100):
        design = {"in": design}
    assert "…" in render([e.model_copy(update={"design": design}) for e in make_campaign(1)])


def test_the_policy_allows_only_this_script(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """The Content-Security-Policy allows the script of this hash alone, and the page loads nothing."""
    page = read_page(render(make_campaign(4)))
    (script,) = page.all("script")
    (policy,) = (m.attributes["content"] for m in page.all("meta") if "http-equiv" in m.attributes)
    assert f"script-src 'sha256-{b64encode(sha256(script.text.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'")
    fetching = {"src", "srcset", "action", "poster", "data", "xlink:href"}
    assert not [
        n.tag for n in page.walk() if fetching & set(n.attributes) or n.tag in ("link", "img", "iframe", "object")
    ]
    assert all((a.attributes["href"] or "").startswith("#") for a in page.all("a"))
    assert "url(" not in page.all("style")[0].text
    assert "@import" not in page.all("style")[0].text
