"""The desk reads people's messages: any bytes become events, or a refusal with a reason of one line."""

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.roles.desk import PAYLOAD_BYTES, read_message, spoken_envelope
from bus.delivery.role import Post
from bus.vocabulary.events import HumanMessage, ProposalCreated, Spoken
from bus.wire.envelope import TOKEN, MalformedMessage
from bus.wire.stored_message import StoredMessage

SOURCE = "import torch\n\n\nclass Mine(torch.nn.Module):\n    pass\n"


def message(payload: str | bytes | dict[str, object]) -> HumanMessage:
    """Return the event that the desk reads from a payload."""
    posts = read_message(_bytes(payload), "nano-0-aa", 7)
    assert isinstance(posts, list), posts
    event = posts[0].event
    assert isinstance(event, HumanMessage)
    return event


def refusal(payload: str | bytes | dict[str, object]) -> str:
    """Return the reason why the desk refuses a payload."""
    error = read_message(_bytes(payload), "nano-0-aa", 7)
    assert isinstance(error, MalformedMessage), error
    return str(error)


def _bytes(payload: str | bytes | dict[str, object]) -> bytes:
    """Return the payload as it is published."""
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
        ("Veto e3 please", "veto"),
        ("please stop the campaign!", "stop"),
        ("veto e0003 it is dull", "veto"),
        ("/pause", "pause"),
        ("withdraw", "withdraw"),
        ("withdraw the delta rule", "withdraw"),
        ("never mind", "withdraw"),
        ("forget gates", "steer"),
        ("how is e0003 doing?", "ask"),
    ],
)
def test_the_kind_of_a_plain_text_follows_from_its_words(text: str, kind: str) -> None:
    """A command is the kind's name, alone or with what it needs; a question ends with a question mark."""
    assert message(text).kind == kind


def test_veto_and_restore_have_a_target() -> None:
    """The desk reads the experiment's id from the text."""
    assert message("veto e0003").target == message("restore e0003").target == "e0003"
    assert message("Veto e3 please").target == message("veto experiment 3").target == "e0003"
    assert message({"kind": "veto", "target": "E3"}).target == "e0003"


def test_the_text_of_a_budget_is_a_number_in_digits() -> None:
    """Memory can read it as an integer."""
    assert message("budget 040").text == "40"
    assert message({"kind": "budget", "text": "12"}).text == "12"


def test_json_sets_kind_text_and_signature() -> None:
    """The desk does not read the kind from the text then."""
    event = message({"text": "more gates", "kind": "steer", "by": "Ada"})
    assert (event.kind, event.text, event.signature) == ("steer", "more gates", "Ada")


def test_the_subject_says_who_speaks() -> None:
    """A name in the message changes nothing: the server lets a key publish on its person's subject alone."""

    def speaker(subject: str) -> str:
        spoken = spoken_envelope(StoredMessage(1, subject, json.dumps({"text": "more gates", "by": "eve"}).encode()))
        assert isinstance(spoken.event, Spoken)
        assert spoken.campaign == "nano-0-aa"
        posts = read_message(spoken.event.payload.encode(), spoken.campaign, spoken.id, spoken.event.by)
        assert isinstance(posts, list)
        assert isinstance(posts[0].event, HumanMessage)
        return posts[0].event.speaker

    assert speaker("lab.human.nano-0-aa") == "owner, signed eve"
    assert speaker("lab.human.nano-0-aa.ada") == "ada, signed eve"
    assert speaker("lab.human.nano-0-aa.eve") == "eve"


def test_a_proposed_file_becomes_an_experiment_of_its_own() -> None:
    """The desk publishes a message and a proposal; the experiment has an id of its own and no slot."""
    payload = json.dumps({"source": SOURCE, "text": "gated twice", "by": "Ada"}).encode()
    posts = read_message(payload, "nano-0-aa", 7)
    assert isinstance(posts, list)
    proposal = posts[1]
    assert isinstance(proposal.event, ProposalCreated)
    assert proposal.experiment.startswith("h-")
    assert (proposal.event.name, proposal.event.origin, proposal.event.source) == ("Mine", "human", SOURCE)


def test_a_message_determines_the_id_of_its_experiment() -> None:
    """A redelivered message names the same experiment; the same file in a second message is another experiment."""
    payload = json.dumps({"source": SOURCE}).encode()
    names = [_experiment(read_message(payload, "nano-0-aa", position)) for position in (7, 7, 8)]
    assert names[0] == names[1] != names[2]


def _experiment(posts: list[Post] | MalformedMessage) -> str:
    """Return the proposed experiment."""
    assert isinstance(posts, list)
    return posts[1].experiment


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
def test_the_reason_of_a_refusal_is_one_line(payload: str | bytes | dict[str, object], reason: str) -> None:
    """It names what is wrong."""
    line = refusal(payload)
    assert reason in line
    assert "\n" not in line


def test_hidden_characters_are_removed_and_lengths_limited() -> None:
    """Escape sequences, bidirectional marks and endless texts don't reach the log."""
    assert message("\x1b[31mred\u202etxt.exe").text == "[31mredtxt.exe"
    assert "10000 characters" in refusal("long " * 2000)
    assert len(message({"text": "x", "by": "Ada\n" * 100}).signature) <= 64


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_events_or_a_reason(payload: bytes) -> None:
    """The desk raises no error, and the event's text has no hidden characters."""
    posts = read_message(payload, "nano-0-aa", 7)
    if isinstance(posts, list):
        event = posts[0].event
        assert isinstance(event, HumanMessage)
        assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs"} or c in "\n\t" for c in event.text)
    else:
        assert "\n" not in str(posts)


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
def test_any_json_gives_events_or_a_reason(fields: dict[str, object]) -> None:
    """The desk raises no error; a target is always a token that a subject can hold."""
    posts = read_message(json.dumps(fields).encode(), "nano-0-aa", 7)
    if isinstance(posts, list):
        event = posts[0].event
        assert isinstance(event, HumanMessage)
        assert event.target is None or re.match(TOKEN, event.target)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("veto", "names an experiment"),
        ("restore", "names an experiment"),
        ("budget eight", "number"),
        ("stopp", "did you mean `stop`"),
        ("puase", "did you mean `pause`"),
        ("budgt 8", "did you mean `budget 8`"),
        ("budget 8 please", "did you mean `budget 8`"),
        ("set the budget to 8", "did you mean `budget 8`"),
        ("vote e3", "did you mean `veto e0003`"),
        ("veto e3 and e4", "one experiment at a time"),
    ],
)
def test_what_is_nearly_a_command_is_asked_back(text: str, reason: str) -> None:
    """The desk does not read it as guidance; the reason names what is missing, or the command that may be meant."""
    assert reason in refusal(text)
