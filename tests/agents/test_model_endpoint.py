"""A model behind an OpenAI-compatible endpoint: typed answers, timeouts, one-line errors, a secret key."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agents.llm.endpoint import Endpoint
from agents.llm.model import ModelClient
from agents.llm.schemas import SCHEMAS, Answer, Draft
from bus.vocabulary.events import HumanMessage
from bus.vocabulary.questions import Completion
from bus.wire.envelope import Envelope

if TYPE_CHECKING:
    from tests.support.scripted_model import ScriptedModel

KEY = "sk-very-secret-0123456789"
CAUSE = Envelope("id", "/lab/desk/1", datetime.now(UTC), "c", "campaign", HumanMessage(kind="ask", text="how?"))
QUESTION = Completion(instructions="You answer.", prompt="How is it going?", schema_name="Answer")


@asynccontextmanager
async def connected(
    model: "ScriptedModel", *, retries: int = 2, timeout_s: float = 20.0, key: str = ""
) -> AsyncIterator[ModelClient]:
    """Yield a client of the scripted endpoint that retries at once."""
    client = ModelClient(
        Endpoint(model.url, "scripted", api_key_env=key, timeout_s=timeout_s, retries=retries, retry_delay_s=0.0)
    )
    yield client
    await client.close()


async def test_an_answer_comes_back_as_the_schema_it_was_asked_for(scripted_model: "ScriptedModel") -> None:
    """The reply's body parses as the schema that the question named."""
    scripted_model.reply_with({"answer": "Well."})
    async with connected(scripted_model) as model:
        reply = await model.answer(CAUSE, QUESTION)
    assert Answer.model_validate_json(reply.body) == Answer(answer="Well.")


async def test_the_request_carries_instructions_prompt_and_a_strict_schema(scripted_model: "ScriptedModel") -> None:
    """A request has one system message, one user message, and the closed JSON Schema of the draft."""
    scripted_model.reply_with({"name": "n", "motivation": "m", "source": "s"})
    async with connected(scripted_model) as model:
        await model.answer(CAUSE, QUESTION.model_copy(update={"schema_name": "Draft"}))
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
    """A second decision's request contains nothing of the first."""
    scripted_model.reply_with({"answer": "one"}, {"answer": "two"})
    async with connected(scripted_model) as model:
        await model.answer(CAUSE, QUESTION)
        await model.answer(CAUSE, QUESTION.model_copy(update={"prompt": "Second?"}))
    assert [m["content"] for m in scripted_model.requests[1]["messages"]] == ["You answer.", "Second?"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_transient_fault_is_tried_again(scripted_model: "ScriptedModel", status: int) -> None:
    """The client repeats its request to a busy or broken endpoint."""
    scripted_model.fail_with(status)
    scripted_model.reply_with({"answer": "now"})
    async with connected(scripted_model) as model:
        reply = await model.answer(CAUSE, QUESTION)
    assert (reply.error, len(scripted_model.requests)) == ("", 2)


@pytest.mark.parametrize("content", ["", "not JSON", '{"answer": 3}', '{"other": "x"}', "[" * 50])
async def test_an_unreadable_answer_is_tried_again_and_then_reported(
    scripted_model: "ScriptedModel", content: str
) -> None:
    """After an answer of the wrong form the client repeats its request `retries` times, then returns an error."""
    for _ in range(3):
        scripted_model.reply_with_text(content)
    async with connected(scripted_model, retries=2) as model:
        reply = await model.answer(CAUSE, QUESTION)
    assert len(scripted_model.requests) == 3
    assert reply.body == ""
    assert reply.error.startswith("unusable answer: ")
    assert "\n" not in reply.error


async def test_a_body_that_is_no_completion_becomes_an_error(scripted_model: "ScriptedModel") -> None:
    """A body that breaks the protocol gives a one-line error, not an exception."""
    scripted_model.script += [(200, b"<html>gateway</html>"), (200, b"{}"), (200, b'{"choices": []}')]
    async with connected(scripted_model) as model:
        reply = await model.answer(CAUSE, QUESTION)
    assert reply.error
    assert "\n" not in reply.error


async def test_a_refused_key_is_not_tried_again_and_never_repeated(
    scripted_model: "ScriptedModel", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client sends the key; no error and no log line contains it, even if the endpoint repeats it."""
    monkeypatch.setenv("TEST_MODEL_KEY", KEY)
    scripted_model.fail_with(401, f"Incorrect API key provided: {KEY}")
    with capture_logs() as logs:
        async with connected(scripted_model, key="TEST_MODEL_KEY") as model:
            reply = await model.answer(CAUSE, QUESTION)
    assert scripted_model.keys == [f"Bearer {KEY}"]
    assert len(scripted_model.requests) == 1
    assert reply.error.startswith("AuthenticationError")
    assert KEY not in reply.error + json.dumps(logs, default=str)


async def test_an_endpoint_that_does_not_answer_times_out(scripted_model: "ScriptedModel") -> None:
    """After the timeout the decision continues without a model; the endpoint may charge the prompt."""
    scripted_model.never_reply()
    async with connected(scripted_model, retries=0, timeout_s=0.2) as model:
        reply = await model.answer(CAUSE, QUESTION)
    assert reply.error == "no answer within 0.2 s"
    assert reply.account
    assert reply.account.tokens_in == reply.account.tokens_estimated > len(QUESTION.prompt) // 4
    assert reply.account.tokens_out == 0


async def test_a_missing_endpoint_becomes_an_error() -> None:
    """A refused connection gives a one-line error."""
    model = ModelClient(Endpoint("http://127.0.0.1:9/v1", "none", retries=1, retry_delay_s=0.0, timeout_s=5.0))
    reply = await model.answer(CAUSE, QUESTION)
    await model.close()
    assert reply.error.startswith("APIConnectionError")


async def test_tokens_are_logged(scripted_model: "ScriptedModel") -> None:
    """The log records the tokens of every answer."""
    scripted_model.reply_with({"answer": "x"})
    with capture_logs() as logs:
        async with connected(scripted_model) as model:
            await model.answer(CAUSE, QUESTION)
    answers = [entry for entry in logs if entry["event"] == "model answered"]
    assert [(entry["tokens_in"], entry["tokens_out"]) for entry in answers] == [(11, 7)]


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, the error names the variable that should hold it."""
    monkeypatch.delenv("TEST_MODEL_KEY", raising=False)
    with pytest.raises(ValueError, match="TEST_MODEL_KEY is not set; hint: "):
        ModelClient(Endpoint("http://127.0.0.1:9/v1", "m", api_key_env="TEST_MODEL_KEY"))


def test_an_address_without_a_scheme_is_refused() -> None:
    """For a bare host, the error shows the address and the form that it should have."""
    with pytest.raises(ValueError, match=r"'localhost:8080'.*hint: begin it with http://"):
        ModelClient(Endpoint("localhost:8080", "m"))


def test_every_schema_is_closed_and_requires_every_field() -> None:
    """Strict structured output demands that all fields are required and no other is allowed."""
    for schema in SCHEMAS.values():
        json_schema = schema.model_json_schema()
        assert json_schema["additionalProperties"] is False
        assert set(json_schema["required"]) == set(schema.model_fields)
