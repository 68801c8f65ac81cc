"""A page can't be taken over by what people, models and candidates wrote into it."""

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

import pytest

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import Experiment, FailedAttempt

Make = Callable[..., list[Experiment]]
ATTACKS = (
    "</script><img src=x onerror=alert(1)>",
    "</title></style></svg></pre></details><script>alert(1)</script>",
    "\" onload='alert(1)' x=\"",
    "<!-- --><![CDATA[<svg onload=alert(1)>]]>",
    "javascript:alert(1)",
    "\u202egnp.exe\u2066\x00\x1b[2J\ud83d",
    "&lt;b&gt; &#60;",
    "x" * 100_000,
)


def infected(attack: str, experiments: list[Experiment]) -> list[Experiment]:
    """Return a campaign in which every text that others write is the attack."""
    words = {
        "name": attack, "motivation": attack, "source": attack, "problem": attack, "reason": attack, "operator": attack,
        "findings": (attack,), "cognition": (attack,), "references": (attack,),
        "design": {attack: {"a": [attack, {"b": attack}]}},
        "failures": (FailedAttempt(attempt=0, stage="gate", reason=attack, message=attack, repair=attack),),
        "curve": (CurvePoint(task=attack, step=1, loss=2.0), CurvePoint(task=attack, step=9, loss=1.0)),
    }  # fmt: skip
    return [e.model_copy(update=words) for e in experiments]


def shape(page: object) -> list[tuple[str, list[str]]]:
    """Return every element's tag and attribute names, in order."""
    return [(n.tag, sorted(n.attributes)) for n in page.walk()]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_no_text_changes_the_page(
    make_campaign: Make, make_standing: Callable, render: Callable, read_page: Callable, attack: str
) -> None:
    """With an attack in every field the page has the very elements and attributes it has with a plain word."""
    pages = []
    for words in (attack, "plain"):
        found = infected(words, make_campaign(4))
        where = make_standing(found, guidance=(words,), campaign=words)
        begun = where.started.model_copy(update={"goal": words, "data": words, "scale": words, "baselines": (words,)})
        where = where.model_copy(update={"started": begun})
        pages.append(read_page(render(found, where=where, notes=(words,), sandbox=words, events={words: 3})))
    assert shape(pages[0]) == shape(pages[1])


@pytest.mark.parametrize("attack", ATTACKS[:5])
def test_what_was_written_is_shown_as_it_was(
    make_campaign: Make, render: Callable, read_page: Callable, attack: str
) -> None:
    """A source reads in the page exactly as it was proposed."""
    found = infected(attack, make_campaign(2))
    assert read_page(render(found)).by_id("e0001").all("pre")[0].text == f"\n{attack}"


def test_marks_that_reorder_or_control_text_are_spelled_out(make_campaign: Make, render: Callable) -> None:
    """No control, direction mark or lone surrogate reaches the reader's terminal or browser, and the page encodes."""
    page = render(infected(ATTACKS[5], make_campaign(2)))
    page.encode()
    assert "⟨U+202E⟩gnp.exe⟨U+2066⟩␀␛[2J⟨U+D83D⟩" in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


def test_long_texts_are_cut(make_campaign: Make, render: Callable) -> None:
    """A candidate can't blow the page up with a hundred thousand characters in every field."""
    assert len(render(infected(ATTACKS[7], make_campaign(2)))) < 1_000_000


def test_deep_designs_are_cut(make_campaign: Make, render: Callable) -> None:
    """A design nested a hundred deep is shown to a dozen levels."""
    design: object = "end"
    for _ in range(100):
        design = {"in": design}
    assert "…" in render([e.model_copy(update={"design": design}) for e in make_campaign(1)])


def test_the_policy_allows_only_this_script(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """The page's policy names its one script by hash, allows nothing from elsewhere, and the page asks for nothing."""
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
