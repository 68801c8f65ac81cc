"""A model behind an OpenAI-compatible endpoint: typed answers, bounded patience, one-line errors, a hidden key."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agents.llm.model import Endpoint, ModelClient
from agents.llm.schemas import SCHEMAS, Answer, Draft
from bus.vocabulary.events import HumanMessage
from bus.vocabulary.questions import Completion
from bus.wire.envelope import Envelope

if TYPE_CHECKING:
    from tests.support.scripted_model import ScriptedModel

KEY = "sk-very-secret-0123456789"
SAID = Envelope("id", "/lab/desk/1", datetime.now(UTC), "c", "campaign", HumanMessage(kind="ask", text="how?"))
QUESTION = Completion(instructions="You answer.", prompt="How is it going?", schema_name="Answer")


@asynccontextmanager
async def client(
    model: "ScriptedModel", *, retries: int = 2, seconds: float = 20.0, key: str = ""
) -> AsyncIterator[ModelClient]:
    """Yield a client of the scripted endpoint that retries at once."""
    made = ModelClient(Endpoint(model.url, "scripted", api_key_env=key, seconds=seconds, retries=retries, pause=0.0))
    yield made
    await made.close()


async def test_an_answer_comes_back_as_the_schema_it_was_asked_for(scripted_model: "ScriptedModel") -> None:
    """The reply's body parses as the schema that the question named."""
    scripted_model.says({"answer": "Well."})
    async with client(scripted_model) as model:
        reply = await model.answer(SAID, QUESTION)
    assert Answer.model_validate_json(reply.body) == Answer(answer="Well.")


async def test_the_request_carries_instructions_prompt_and_a_strict_schema(scripted_model: "ScriptedModel") -> None:
    """One system message, one user message, and the JSON Schema of the draft, closed and complete."""
    scripted_model.says({"name": "n", "motivation": "m", "source": "s"})
    async with client(scripted_model) as model:
        await model.answer(SAID, QUESTION.model_copy(update={"schema_name": "Draft"}))
    body = scripted_model.requests[0]
    assert [(m["role"], m["content"]) for m in body["messages"]] == [
        ("system", "You answer."),
        ("user", "How is it going?"),
    ]
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["additionalProperties"] is False
    assert set(schema["schema"]["required"]) == set(Draft.model_fields)


async def test_two_questions_share_no_conversation(scripted_model: "ScriptedModel") -> None:
    """A second decision's request holds nothing of the first."""
    scripted_model.says({"answer": "one"}, {"answer": "two"})
    async with client(scripted_model) as model:
        await model.answer(SAID, QUESTION)
        await model.answer(SAID, QUESTION.model_copy(update={"prompt": "Second?"}))
    assert [m["content"] for m in scripted_model.requests[1]["messages"]] == ["You answer.", "Second?"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_fault_is_tried_again(scripted_model: "ScriptedModel", status: int) -> None:
    """A busy or broken endpoint gets another chance."""
    scripted_model.fails(status)
    scripted_model.says({"answer": "now"})
    async with client(scripted_model) as model:
        reply = await model.answer(SAID, QUESTION)
    assert (reply.error, len(scripted_model.requests)) == ("", 2)


@pytest.mark.parametrize("content", ["", "not JSON", '{"answer": 3}', '{"other": "x"}', "[" * 50])
async def test_an_unreadable_answer_is_tried_again_and_then_said(scripted_model: "ScriptedModel", content: str) -> None:
    """What is no typed answer is asked for again, so often and no oftener."""
    for _ in range(3):
        scripted_model.babbles(content)
    async with client(scripted_model, retries=2) as model:
        reply = await model.answer(SAID, QUESTION)
    assert len(scripted_model.requests) == 3
    assert reply.body == ""
    assert reply.error.startswith("unreadable answer")
    assert "\n" not in reply.error


async def test_a_body_that_is_no_completion_becomes_an_error(scripted_model: "ScriptedModel") -> None:
    """Garbage in place of the protocol ends in one line, not in an exception."""
    scripted_model.script += [(200, b"<html>gateway</html>"), (200, b"{}"), (200, b'{"choices": []}')]
    async with client(scripted_model) as model:
        reply = await model.answer(SAID, QUESTION)
    assert reply.error
    assert "\n" not in reply.error


async def test_a_refused_key_is_not_tried_again_and_never_repeated(
    scripted_model: "ScriptedModel", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key goes to the endpoint; it is in no error and no log line, though the endpoint repeats it."""
    monkeypatch.setenv("TEST_MODEL_KEY", KEY)
    scripted_model.fails(401, f"Incorrect API key provided: {KEY}")
    with capture_logs() as logs:
        async with client(scripted_model, key="TEST_MODEL_KEY") as model:
            reply = await model.answer(SAID, QUESTION)
    assert scripted_model.keys == [f"Bearer {KEY}"]
    assert len(scripted_model.requests) == 1
    assert reply.error.startswith("AuthenticationError")
    assert KEY not in reply.error + json.dumps(logs, default=str)


async def test_an_endpoint_that_does_not_answer_is_left_in_time(scripted_model: "ScriptedModel") -> None:
    """Patience ends; the decision goes on without a model."""
    scripted_model.hangs()
    async with client(scripted_model, retries=0, seconds=0.2) as model:
        reply = await model.answer(SAID, QUESTION)
    assert reply.error == "no answer within 0.2 s"


async def test_an_endpoint_that_is_not_there_becomes_an_error() -> None:
    """A refused connection is one line."""
    model = ModelClient(Endpoint("http://127.0.0.1:9/v1", "none", retries=1, pause=0.0, seconds=5.0))
    reply = await model.answer(SAID, QUESTION)
    await model.close()
    assert reply.error.startswith("APIConnectionError")


async def test_tokens_are_logged(scripted_model: "ScriptedModel") -> None:
    """Every answer's cost in tokens is on record."""
    scripted_model.says({"answer": "x"})
    with capture_logs() as logs:
        async with client(scripted_model) as model:
            await model.answer(SAID, QUESTION)
    answered = [entry for entry in logs if entry["event"] == "model answered"]
    assert [(entry["prompt_tokens"], entry["completion_tokens"]) for entry in answered] == [(11, 7)]


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who forgot the key reads which variable should hold it."""
    monkeypatch.delenv("TEST_MODEL_KEY", raising=False)
    with pytest.raises(ValueError, match="TEST_MODEL_KEY"):
        ModelClient(Endpoint("http://127.0.0.1:9/v1", "m", api_key_env="TEST_MODEL_KEY"))


def test_an_address_without_a_scheme_is_refused() -> None:
    """A user who wrote a bare host reads what is wrong."""
    with pytest.raises(ValueError, match="http://"):
        ModelClient(Endpoint("localhost:8080", "m"))


def test_every_schema_is_closed_and_wholly_required() -> None:
    """Strict structured output wants all fields required and no other allowed."""
    for schema in SCHEMAS.values():
        described = schema.model_json_schema()
        assert described["additionalProperties"] is False
        assert set(described["required"]) == set(schema.model_fields)
