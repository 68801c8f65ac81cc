"""Any endpoint and any form of an answer: what holds the wanted JSON is used, the rest ends with a named reason."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from agents.llm.endpoint import LIBRARIES, Endpoint, ModelLibrary
from agents.llm.model import ModelClient
from bus.vocabulary.events import HumanMessage
from bus.vocabulary.questions import Completion, CompletionReply
from tests.support.decisions import envelope_of
from tests.support.imitated_endpoints import ANSWER, ANSWERS, FAILURES, JSON, PROFILES, USAGE, Slots, imitate, said

if TYPE_CHECKING:
    from tests.support.scripted_model import ScriptedModel

CAUSE = envelope_of(HumanMessage(kind="ask", text="how?"))
QUESTION = Completion(instructions="You answer.", prompt="How?", schema_name="Answer")
RETRIES = 2


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> ModelLibrary:
    """Return each library of models that is installed."""
    pytest.importorskip("agent_framework.openai" if request.param == "agent-framework" else "autogen_agentchat")
    return request.param


async def replies(model: "ScriptedModel", count: int = 1, **settings: Any) -> tuple[list[CompletionReply], ModelClient]:
    """Return a client's replies to the question, one after another."""
    endpoint = Endpoint(model.url, "m", retries=RETRIES, retry_delay_s=0.0, timeout_s=10.0, **settings)
    client = ModelClient(endpoint)
    found = [await client.answer(CAUSE, QUESTION) for _ in range(count)]
    await client.close()
    return found, client


@pytest.mark.parametrize("form", ANSWERS)
async def test_every_answer_that_holds_the_json_is_used(
    scripted_model: "ScriptedModel", form: str, library: ModelLibrary
) -> None:
    """With one request."""
    step = ANSWERS[form]
    imitate(scripted_model, lambda _: step)
    (reply,), _ = await replies(scripted_model, library=library)
    assert (reply.error, {key: text.strip() for key, text in json.loads(reply.body or "{}").items()}) == ("", ANSWER)
    assert reply.account
    assert (reply.account.outcome, reply.account.requests, reply.account.retries) == ("answered", 1, 0)
    assert min(reply.account.tokens_in, reply.account.tokens_out) > 0
    assert (reply.account.tokens_estimated > 0) == (form == "no usage")


@pytest.mark.parametrize("failure", FAILURES)
async def test_every_other_answer_ends_with_its_reason(
    scripted_model: "ScriptedModel", failure: str, library: ModelLibrary
) -> None:
    """Within the retries, in one line, and the account has what it took."""
    step, outcome = FAILURES[failure]
    imitate(scripted_model, lambda _: step)
    (reply,), _ = await replies(scripted_model, library=library)
    assert reply.account
    assert (reply.account.outcome, reply.body) == (outcome, "")
    assert reply.error
    assert "\n" not in reply.error
    assert reply.account.requests == len(scripted_model.requests) <= 1 + RETRIES


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_endpoint_is_asked_for_what_it_can_do(
    scripted_model: "ScriptedModel", profile: str, library: ModelLibrary
) -> None:
    """The first answer finds out, without a retry; the second needs one request."""
    respond, abilities = PROFILES[profile]
    imitate(scripted_model, respond)
    settings = {"temperature": 0.5, "max_tokens": 900, "reasoning_effort": "low"}
    found, client = await replies(scripted_model, 2, library=library, **settings)
    assert [(reply.error, json.loads(reply.body or "{}")) for reply in found] == [("", ANSWER)] * 2
    first, second = (reply.account for reply in found if reply.account)
    assert (first.retries, second.requests) == (0, 1)
    assert str(client.state(Endpoint(scripted_model.url, "m")).abilities) == abilities


async def test_the_form_is_told_in_words_if_the_endpoint_takes_no_schema(scripted_model: "ScriptedModel") -> None:
    """The system message then has the JSON Schema."""
    imitate(scripted_model, PROFILES["anthropic"][0])
    await replies(scripted_model)
    system = scripted_model.requests[-1]["messages"][0]["content"]
    assert system.startswith("You answer.\n\nAnswer with one JSON object")
    assert '"answer"' in system


async def test_what_is_wrong_goes_back_in_the_same_conversation(
    scripted_model: "ScriptedModel", library: ModelLibrary
) -> None:
    """The second request has the first answer and its fault; the reply keeps the unusable answer."""
    scripted_model.script += [said('{"reply": "Well."}'), said(JSON)]
    (reply,), _ = await replies(scripted_model, library=library)
    assert json.loads(reply.body) == ANSWER
    roles = [(message["role"], message["content"]) for message in scripted_model.requests[1]["messages"]]
    assert roles[2] == ("assistant", '{"reply": "Well."}')
    assert roles[3][0] == "user"
    assert "answer: Field required" in roles[3][1]
    assert reply.failed == ('{"reply": "Well."}',)


async def test_an_empty_answer_is_asked_for_again_from_the_beginning(scripted_model: "ScriptedModel") -> None:
    """Some endpoints refuse a conversation with an empty message."""
    scripted_model.script += [said(""), said(JSON)]
    (reply,), _ = await replies(scripted_model)
    assert json.loads(reply.body) == ANSWER
    assert len(scripted_model.requests[1]["messages"]) == 2


async def test_tokens_and_reasoning_are_kept_apart(scripted_model: "ScriptedModel") -> None:
    """The account has what the endpoint counts; the reasoning is no part of the answer."""
    imitate(scripted_model, PROFILES["reasoning"][0])
    (reply,), _ = await replies(scripted_model)
    assert reply.account
    assert reply.reasoning == "Let me think."
    counts = (USAGE["prompt_tokens"], USAGE["completion_tokens"], 4, 5)
    account = reply.account
    assert (account.tokens_in, account.tokens_out, account.tokens_cached, account.tokens_reasoning) == counts


async def test_a_server_with_one_slot_gets_one_request_at_a_time(scripted_model: "ScriptedModel") -> None:
    """With `concurrency = 1`, however many decisions are in progress."""
    server = Slots()
    imitate(scripted_model, server.respond)
    client = ModelClient(Endpoint(scripted_model.url, "m", concurrency=1))
    await asyncio.gather(*(client.answer(CAUSE, QUESTION) for _ in range(4)))
    await client.close()
    assert server.most == 1


async def test_azure_paths_and_headers_are_sent(scripted_model: "ScriptedModel", library: ModelLibrary) -> None:
    """The version of the interface is a query of the address, the key a header of its own."""
    imitate(scripted_model, lambda _: said(JSON))
    address = scripted_model.url.replace("/v1", "/openai/deployments/d") + "?api-version=2024-10-21"
    client = ModelClient(Endpoint(address, "d", headers={"api-key": "k1"}, body={"top_k": 40}, library=library))
    reply = await client.answer(CAUSE, QUESTION)
    await client.close()
    assert json.loads(reply.body) == ANSWER
    assert scripted_model.paths == ["/openai/deployments/d/chat/completions?api-version=2024-10-21"]
    assert scripted_model.headers[0]["api-key"] == "k1"
    assert scripted_model.requests[0]["top_k"] == 40


async def test_an_endpoint_that_is_down_gets_no_request_for_a_while(scripted_model: "ScriptedModel") -> None:
    """After four answers that did not come, the next ones fail at once, with a reason of their own."""
    imitate(scripted_model, lambda _: (503, b"{}"))
    found, client = await replies(scripted_model, 6)
    outcomes = [reply.account.outcome for reply in found if reply.account]
    assert outcomes == ["server_error"] * 4 + ["circuit_open"] * 2
    assert len(scripted_model.requests) == 4 * (1 + RETRIES)
    assert [circuit["state"] for circuit in client.circuits().values()] == ["open"]
