"""A decision's question to a model: the typed answer, and the event that accounts for it."""

from agents.llm.asking import Asked, ask
from agents.llm.schemas import Answer
from bus.delivery.role import Post
from bus.vocabulary.events import HumanMessage, ModelAccount, ModelAnswered
from bus.vocabulary.questions import Completion, CompletionReply
from tests.support.decisions import Driven, drive, envelope_of

CAUSE = envelope_of(HumanMessage(kind="ask", text="how?"), "e0003")
QUESTION = Completion(instructions="You answer.", prompt="How?", schema_name="Answer")
ACCOUNT = ModelAccount(model="m", endpoint="localhost", requests=2, retries=1, tokens_in=11, tokens_out=7)


def asked(reply: CompletionReply) -> tuple[Asked[Answer], list[Post]]:
    """Return what comes of the question if this is the reply, and what is published at once."""
    driven = Driven([], [])
    return drive(ask(CAUSE, QUESTION, Answer, agent="analyst"), {Completion: reply}, driven), driven.posts


def key_of(account: ModelAccount) -> str:
    """Return what the id of an account's event derives from."""
    return asked(CompletionReply(body='{"answer": "Well."}', account=account))[1][0].key


def test_an_answer_is_typed_and_accounted_for() -> None:
    """The event has who asked, what for, and what it took."""
    result, posts = asked(CompletionReply(body='{"answer": "Well."}', account=ACCOUNT))
    assert (result.answer, result.why) == (Answer(answer="Well."), "")
    (post,) = posts
    assert (post.experiment, post.event) == (
        "e0003",
        ModelAnswered(agent="analyst", purpose="answer", account=ACCOUNT),
    )


def test_a_failure_is_accounted_for_too() -> None:
    """The event says why there is no answer."""
    result, posts = asked(CompletionReply(error="no answer within 2 s", account=ACCOUNT))
    assert (result.answer, result.why) == (None, "no answer within 2 s")
    assert [post.event.why for post in posts if isinstance(post.event, ModelAnswered)] == [result.why]


def test_a_reply_of_an_older_log_leads_to_no_event() -> None:
    """Those logs have none, and a replay compares."""
    result, posts = asked(CompletionReply(body='{"answer": "Well."}'))
    assert result.answer
    assert not posts


def test_a_second_answer_to_a_question_is_an_account_of_its_own() -> None:
    """A process that died has paid for the first; the same reply has the same id."""
    assert key_of(ACCOUNT) == key_of(ACCOUNT) != key_of(ACCOUNT.model_copy(update={"seconds": 2.5}))


def test_an_account_of_an_older_log_has_the_id_that_it_had() -> None:
    """A replay derives it again, from an account with fields that the log lacks."""
    assert key_of(ModelAccount(model="m", tokens_in=3)) == "40d22aa35eeb80dcc2a7419e785571b4"
