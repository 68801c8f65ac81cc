"""What people publish becomes facts or a one-line reason, whatever the bytes."""

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.roles.desk import PAYLOAD_BYTES, Desk, read_message
from bus.delivery.role import Post
from bus.vocabulary.events import HumanMessage, ProposalCreated, Spoken
from bus.wire.envelope import TOKEN, Envelope, MalformedMessage

SOURCE = "import torch\n\n\nclass Mine(torch.nn.Module):\n    pass\n"


def message(payload: str | bytes | dict[str, object]) -> HumanMessage:
    """Return the message that a payload states."""
    read = read_message(_bytes(payload), "nano-0-aa", 7)
    assert isinstance(read, list), read
    event = read[0].event
    assert isinstance(event, HumanMessage)
    return event


def refusal(payload: str | bytes | dict[str, object]) -> str:
    """Return why a payload states nothing."""
    read = read_message(_bytes(payload), "nano-0-aa", 7)
    assert isinstance(read, MalformedMessage), read
    return str(read)


def _bytes(payload: str | bytes | dict[str, object]) -> bytes:
    """Return what goes over the wire."""
    if isinstance(payload, bytes):
        return payload
    return (payload if isinstance(payload, str) else json.dumps(payload)).encode()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("try the delta rule", "steer"),
        ("pause", "pause"),
        ("Pause.", "pause"),
        ("RESUME!", "resume"),
        ("stop", "stop"),
        ("stop using softmax", "steer"),
        ("veto e0003", "veto"),
        ("Restore e0003", "restore"),
        ("restore the decay", "steer"),
        ("budget 40", "budget"),
        ("budget is tight", "steer"),
        ("budget 40?", "ask"),
        ("how is e0003 doing?", "ask"),
    ],
)
def test_plain_words_say_what_they_are(text: str, kind: str) -> None:
    """The kind is read off the words where none is given."""
    assert message(text).kind == kind


def test_a_veto_and_its_opposite_name_their_target() -> None:
    """The experiment is taken out of the words."""
    assert message("veto e0003").target == message("restore e0003").target == "e0003"


def test_a_budget_becomes_plain_digits() -> None:
    """What memory reads as a number is one."""
    assert message("budget 040").text == "40"
    assert message({"kind": "budget", "text": "12"}).text == "12"


def test_json_is_taken_at_its_word() -> None:
    """Fields of the JSON form go where they belong."""
    said = message({"text": "more gates", "kind": "steer", "by": "Ada"})
    assert (said.kind, said.text, said.by) == ("steer", "more gates", "Ada")


def test_a_proposed_file_becomes_an_experiment_of_its_own() -> None:
    """A message and a proposal, named by the message and outside the slots."""
    payload = json.dumps({"source": SOURCE, "text": "gated twice", "by": "Ada"}).encode()
    read = read_message(payload, "nano-0-aa", 7)
    assert isinstance(read, list)
    proposal = read[1]
    assert isinstance(proposal.event, ProposalCreated)
    assert proposal.experiment.startswith("h-")
    assert (proposal.event.name, proposal.event.origin, proposal.event.source) == ("Mine", "human", SOURCE)


def test_the_same_message_names_the_same_experiment_and_another_another() -> None:
    """A redelivered proposal is no second experiment; the same file sent twice is."""
    payload = json.dumps({"source": SOURCE}).encode()
    names = [_experiment(read_message(payload, "nano-0-aa", which)) for which in (7, 7, 8)]
    assert names[0] == names[1] != names[2]


def _experiment(read: list[Post] | MalformedMessage) -> str:
    """Return the experiment that was proposed."""
    assert isinstance(read, list)
    return read[1].experiment


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        ("\u202e\u200b", "empty"),
        (b"\xff\xfe", "UTF-8"),
        ("{not json", "JSON"),
        ("{" * 5000, "JSON"),
        ({"text": 1}, "text"),
        ({"text": "x", "colour": "red"}, "colour"),
        ({"kind": "shout", "text": "x"}, "kind"),
        ({"kind": "veto", "text": "that one"}, "veto"),
        ({"kind": "restore"}, "restore e0003"),
        ({"kind": "veto", "target": "a.b >"}, "target"),
        ({"kind": "budget", "text": "-3"}, "budget"),
        ({"kind": "budget", "text": "many"}, "budget"),
        ({"kind": "budget", "text": "99999999"}, "budget"),
        ({"kind": "propose", "text": "no file"}, "source"),
        ({"kind": "propose", "source": "  "}, "empty"),
        ({"kind": "propose", "source": "x" * 100_001}, "characters"),
        (b"x" * (PAYLOAD_BYTES + 1), "bytes"),
    ],
)
def test_what_can_not_be_read_says_why_in_one_line(payload: str | bytes | dict[str, object], reason: str) -> None:
    """The reason names what is wrong."""
    why = refusal(payload)
    assert reason in why
    assert "\n" not in why


def test_hidden_characters_are_taken_out_and_lengths_capped() -> None:
    """Escape sequences, bidirectional marks and endless texts don't reach the log."""
    assert message("\x1b[31mred\u202etxt.exe").text == "[31mredtxt.exe"
    assert len(message("long " * 2000).text) <= 2000
    assert len(message({"text": "x", "by": "Ada\n" * 100}).by) <= 64


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_facts_or_a_reason(payload: bytes) -> None:
    """Nothing raises, and what is said is clean."""
    read = read_message(payload, "nano-0-aa", 7)
    if isinstance(read, list):
        event = read[0].event
        assert isinstance(event, HumanMessage)
        assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs"} or c in "\n\t" for c in event.text)
    else:
        assert "\n" not in str(read)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "text": st.text(max_size=50) | st.none() | st.integers(),
            "kind": st.sampled_from(
                ["steer", "propose", "veto", "restore", "pause", "resume", "stop", "budget", "ask", "x", None]
            ),
            "target": st.text(max_size=10) | st.none(),
            "source": st.text(max_size=100) | st.none(),
            "by": st.text(max_size=100) | st.none(),
        },
    )
)
def test_any_json_gives_facts_or_a_reason(words: dict[str, object]) -> None:
    """Nothing raises; a target is always a token that a subject can hold."""
    read = read_message(json.dumps(words).encode(), "nano-0-aa", 7)
    if isinstance(read, list):
        event = read[0].event
        assert isinstance(event, HumanMessage)
        assert event.target is None or re.match(TOKEN, event.target)


@pytest.mark.parametrize(
    ("text", "why"), [("veto", "names an experiment"), ("restore", "names an experiment"), ("budget eight", "number")]
)
def test_a_word_that_lacks_something_is_refused_and_does_not_steer(text: str, why: str) -> None:
    """Who meant a veto or a budget learns what is missing."""
    assert why in refusal(text)


def test_the_desk_raises_what_it_can_not_read(said: Callable[..., Envelope]) -> None:
    """The actor turns Malformed into a dead letter with its reason."""
    with pytest.raises(MalformedMessage, match="empty"):
        next(Desk().decide(said(Spoken(payload="  "))))


def test_the_desk_answers_with_the_message(said: Callable[..., Envelope], drive: Callable[..., Any]) -> None:
    """A decision of the desk asks nothing and returns its posts."""
    asked, posts = drive(Desk(), said(Spoken(payload="pause")))
    assert (asked, [post.event.kind for post in posts]) == ([], ["pause"])
