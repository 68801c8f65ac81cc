"""The desk's decisions: each message that it takes gets a reply, and so does each that it can't take."""

import json

import pytest

from agents.roles.desk import Desk, spoken_envelope
from bus.delivery.role import Post
from bus.vocabulary.events import OWNER, HumanAnswered, HumanMessage, Spoken
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiments
from bus.wire.envelope import MalformedMessage
from bus.wire.stored_message import StoredMessage
from tests.support.decisions import decide, drive, envelope_of
from tests.support.factories import campaign_started, experiment

STATUS = CampaignStatus(started=campaign_started(), ranking=("e0002", "e0003"), founders=("base-gla",))
MEMORY = {AskCampaignStatus: STATUS, AskExperiments: Experiments(rows=(experiment("e0003"),))}
PROPOSAL = json.dumps({"source": "class Mine:\n    pass\n"})


def reply_of(payload: str) -> str:
    """Return the desk's own reply to a message that it takes."""
    _, posts = decide(Desk(), envelope_of(Spoken(payload=payload)), MEMORY)
    event = posts[-1].event
    assert isinstance(event, HumanAnswered)
    return event.answer


def reason_of(spoken: Spoken, status: CampaignStatus = STATUS) -> tuple[str, list[Post]]:
    """Return why the desk refuses a message, and what it publishes instead."""
    desk, envelope = Desk(), envelope_of(spoken)
    with pytest.raises((MalformedMessage, LookupError)) as error:
        drive(desk.decide(envelope), {AskCampaignStatus: status, AskExperiments: Experiments(rows=())})
    return str(error.value), desk.give_up(envelope, str(error.value))


def test_what_is_understood_of_a_wish_is_replied() -> None:
    """With what is not known, and what is known that is written alike."""
    lines = reply_of("use the delta rule, Mamba-9 and no softmax attention").splitlines()
    assert lines[0].startswith("Understood")
    assert lines[1].startswith('wanted: "delta rule": delta-rule writes')
    assert lines[2] == 'ruled out: "softmax attention": a sliding window of exact attention (path:window)'
    assert lines[3].startswith('not known: "Mamba-9"; near: mamba-')
    assert "names a unit" in reply_of("hurry up")
    assert "No design can have all of this" in reply_of("update:delta and norm:rms")


@pytest.mark.parametrize("payload", ["pause", "resume", "stop", "veto e0003", "budget 40", PROPOSAL])
def test_every_message_that_is_taken_gets_a_reply(payload: str) -> None:
    """The desk says what follows from it."""
    assert len(reply_of(payload)) > 10


@pytest.mark.parametrize("payload", ["how far is it?", "restore e0003", "withdraw"])
def test_the_analyst_replies_where_the_answer_depends_on_the_log(payload: str) -> None:
    """The desk publishes the message alone."""
    _, posts = decide(Desk(), envelope_of(Spoken(payload=payload)), MEMORY)
    assert [type(post.event) for post in posts] == [HumanMessage]


@pytest.mark.parametrize(
    ("payload", "reason", "said"),
    [
        ("  ", "empty", ""),
        ("stopp", "did you mean `stop`", "stopp"),
        ("veto e0099", "no experiment e0099", "veto e0099"),
        ('{"text": "veto e0001", "by": "Ada"}', "did you mean e0003", "veto e0001"),
        ('{"text": ', "begins like JSON", '{"text":'),
        ('{"text": 1, "by": "Ada"}', "text", '{"text": 1, "by": "Ada"}'),
        ("x" * 2_001, "2001 characters", "xxx"),
    ],
)
def test_a_message_that_cannot_be_taken_is_answered_with_the_reason(payload: str, reason: str, said: str) -> None:
    """It is also the reason on the dead letter."""
    line, posts = reason_of(Spoken(payload=payload))
    assert reason in line
    (event,) = (post.event for post in posts)
    assert isinstance(event, HumanAnswered)
    assert event.question.startswith(said)
    assert (event.answer, event.to) == (f"Not taken: {line}", OWNER)


def test_nobody_is_answered_in_a_campaign_that_is_not_there() -> None:
    """The message becomes a dead letter alone, so that the log holds nothing about that campaign."""
    reason, posts = reason_of(Spoken(payload="more gates"), CampaignStatus())
    assert "no campaign nano-0-aa" in reason
    assert posts == []


def test_bytes_that_are_no_text_are_refused_with_a_reply() -> None:
    """They are read far enough to know the campaign."""
    envelope = spoken_envelope(StoredMessage(3, "lab.human.nano-0-aa", b"\xff\xfe"))
    assert isinstance(envelope.event, Spoken)
    reason, posts = reason_of(envelope.event)
    assert "UTF-8" in reason
    assert len(posts) == 1


def test_the_desk_asks_for_experiments_only_where_one_is_named() -> None:
    """Every message asks whether the campaign exists."""
    for payload, asked in (("pause", [AskCampaignStatus]), ("veto e0003", [AskCampaignStatus, AskExperiments])):
        questions, posts = decide(Desk(), envelope_of(Spoken(payload=payload)), MEMORY)
        assert [type(question) for question in questions] == asked
        assert isinstance(posts[0].event, HumanMessage)
