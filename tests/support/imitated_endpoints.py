"""Imitations of OpenAI-compatible endpoints: what each accepts, and the forms in which models answer.

Each profile refuses what the real server refuses, in its words. Sources: the API references of OpenAI, Azure, Anthropic
(OpenAI SDK compatibility) and Gemini (OpenAI compatibility), and the servers of vLLM, Ollama, llama.cpp and LM Studio.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.scripted_model import ScriptedModel, completion

ANSWER = {"answer": "Well."}
JSON = json.dumps(ANSWER)
USAGE = {
    "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 5},
}  # fmt: skip
Step = tuple[int, bytes]
Responder = Callable[[dict[str, Any]], Step]


def refusal(message: str, status: int = 400, code: str | None = None) -> Step:
    """Return an error as OpenAI's interface has it."""
    return status, json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": code}}).encode()


def message(usage: Mapping[str, Any] | None = None, finish: str = "stop", **fields: Any) -> Step:
    """Return a completion whose message has these fields."""
    body = json.loads(completion(""))
    body["choices"][0] |= {"message": {"role": "assistant", "content": None, **fields}, "finish_reason": finish}
    return 200, json.dumps(body | {"usage": usage or body["usage"]}).encode()


def said(content: str) -> Step:
    """Return a completion of this content."""
    return 200, completion(content)


def openai_strict(request: dict[str, Any]) -> Step:
    """Accept a closed schema alone, as OpenAI's strict mode does."""
    schema = request.get("response_format", {}).get("json_schema", {}).get("schema", {})
    if schema.get("additionalProperties") is not False or set(schema["required"]) != set(schema["properties"]):
        return refusal("Invalid schema for response_format: 'additionalProperties' is required to be false")
    return message(USAGE, content=JSON)


def vllm(request: dict[str, Any]) -> Step:
    """Fail with 500 on a schema that its grammar can't compile, and accept JSON mode."""
    if request.get("response_format", {}).get("type") == "json_schema":
        return refusal("Failed to compile grammar for guided decoding", 500)
    return said(JSON)


def ollama(request: dict[str, Any]) -> Step:
    """Ignore what it does not know, and answer in a fence."""
    del request
    return said(f"```json\n{JSON}\n```")


def lm_studio(request: dict[str, Any]) -> Step:
    """Refuse JSON mode: schema or text alone. This model's template has no grammar either."""
    if "response_format" in request:
        return refusal("'response_format.type' must be 'json_schema' or 'text'")
    return said(JSON)


def anthropic(request: dict[str, Any]) -> Step:
    """Have no response_format, and take a token limit for granted."""
    if "response_format" in request:
        return refusal("response_format: Extra inputs are not permitted")
    return message(content=[{"type": "text", "text": JSON}])


def gemini(request: dict[str, Any]) -> Step:
    """Refuse a schema with keys that it does not know, without naming the part."""
    if "response_format" in request:
        return refusal('Invalid JSON payload received. Unknown name "additionalProperties": Cannot find field.')
    return said(JSON)


def reasoning(request: dict[str, Any]) -> Step:
    """Refuse a temperature and the older name of the token limit; keep the reasoning apart."""
    if "temperature" in request:
        return refusal("Unsupported value: 'temperature' does not support 0.5 with this model.")
    if "max_tokens" in request:
        return refusal("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    return message(USAGE, content=JSON, reasoning_content="Let me think.")


def no_system(request: dict[str, Any]) -> Step:
    """Refuse a system message, as templates of some open models do."""
    if request["messages"][0]["role"] == "system":
        return refusal("System role not supported")
    return said(JSON)


def no_effort(request: dict[str, Any]) -> Step:
    """Refuse an effort of reasoning."""
    if "reasoning_effort" in request:
        return refusal("Unrecognized request argument supplied: reasoning_effort")
    return said(JSON)


def silent_refusal(request: dict[str, Any]) -> Step:
    """Refuse a temperature without a word about why."""
    return refusal("Bad Request") if "temperature" in request else said(JSON)


PROFILES: Mapping[str, tuple[Responder, str]] = {
    "openai strict": (openai_strict, "json_schema"),
    "vllm": (vllm, "json_object"),
    "ollama": (ollama, "json_schema"),
    "lm studio": (lm_studio, "text"),
    "anthropic": (anthropic, "text"),
    "gemini": (gemini, "text"),
    "reasoning": (reasoning, "json_schema, max_completion_tokens, no temperature"),
    "no system": (no_system, "json_schema, no system"),
    "no effort": (no_effort, "json_schema, no effort"),
    "silent refusal": (silent_refusal, "text, no temperature"),
}
"""Profile → how it responds, and the abilities that are found out."""

ANSWERS: Mapping[str, Step] = {
    "plain": said(JSON),
    "a fence": said(f"```json\n{JSON}\n```"),
    "a fence without a language": said(f"```\n{JSON}\n```"),
    "a think block": said(f"<think>\nIs {{this}} it?\n</think>\n\n{JSON}"),
    "a think block without its beginning": said(f"So I think.\n</think>\n{JSON}"),
    "a think block and a fence in prose": said(f"<think>Hm.</think>Sure:\n```json\n{JSON}\n```\nAsk me more."),
    "a byte order mark": said(f"\ufeff{JSON}"),
    "one key more": said(json.dumps(ANSWER | {"confidence": 0.9})),
    "prose around it": said(f"Here you are: {JSON}. I hope that helps."),
    "another object before it": said(f'First {{"plan": "think"}}, then {JSON}'),
    "a wrapper of one key": said(json.dumps({"Answer": ANSWER})),
    "a call in words": said(json.dumps({"name": "Answer", "arguments": ANSWER})),
    "the schema with values": said(json.dumps({"type": "object", "properties": ANSWER})),
    "a list of one": said(json.dumps([ANSWER])),
    "JSON in a string": said(json.dumps(JSON)),
    "single quotes": said(str(ANSWER)),
    "a trailing comma": said('{"answer": "Well.",}'),
    "a raw line break in a string": said('{"answer": "Well.\n"}'),
    "keys in capitals": said('{"ANSWER": "Well."}'),
    "channels": said(f"<|channel|>analysis<|message|>Hm.<|end|><|channel|>final<|message|>{JSON}<|return|>"),
    "parts of content": message(content=[{"type": "text", "text": JSON}]),
    "an object as content": message(content=ANSWER),
    "a call of a tool": message(
        tool_calls=[{"id": "1", "type": "function", "function": {"name": "Answer", "arguments": JSON}}],
        finish="tool_calls",
    ),
    "the older call": message(function_call={"name": "Answer", "arguments": JSON}, finish="function_call"),
    "reasoning apart": message(content=JSON, reasoning_content="Hm."),
    "the answer as reasoning": message(content="", reasoning_content=JSON),
    "no usage": (200, json.dumps({"choices": [{"message": {"role": "assistant", "content": JSON}}]}).encode()),
}
"""Form of an answer → a reply that holds it: all are used."""

FAILURES: Mapping[str, tuple[Step, str]] = {
    "nothing": (said(""), "empty"),
    "a think block alone": (said("<think>I never end"), "empty"),
    "prose": (said("I would rather think a little longer."), "no_json"),
    "another form": (said('{"reply": 3}'), "wrong_form"),
    "another type": (said('{"answer": {"a": 1, "b": 2}}'), "wrong_form"),
    "half of it": (message(content='{"answer": "We', finish="length"), "cut_off"),
    "a refusal": (message(refusal="I can't help with that."), "refused"),
    "a filter": (message(content="", finish="content_filter"), "refused"),
    "a page": ((200, b"<html>gateway</html>"), "bad_reply"),
    "no choices": ((200, b'{"choices": []}'), "bad_reply"),
    "a busy endpoint": (refusal("Rate limit reached", 429), "busy"),
    "no credit": (refusal("You exceeded your current quota", 429, "insufficient_quota"), "busy"),
    "a broken endpoint": (refusal("Internal error", 500), "server_error"),
    "an overloaded endpoint": (refusal("Overloaded", 529), "server_error"),
    "a wrong key": (refusal("Incorrect API key provided", 401), "bad_key"),
    "no such model": (refusal("The model `x` does not exist", 404, "model_not_found"), "no_model"),
    "a long prompt": (refusal("This model's maximum context length is 4096 tokens"), "bad_request"),
}
"""What goes wrong → a reply, and the outcome that it leads to each time."""


@dataclass
class Slots:
    """A server with a few slots, as llama.cpp: a request beyond them is counted as a fault of the client."""

    slots: int = 1
    most: int = 0
    """The most requests at once."""
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def respond(self, request: dict[str, Any]) -> Step:
        """Answer after a moment."""
        del request
        with self._lock:
            self._busy += 1
            self.most = max(self.most, self._busy)
        threading.Event().wait(0.02)
        with self._lock:
            self._busy -= 1
        return said(JSON)


def imitate(model: ScriptedModel, respond: Responder) -> None:
    """Let a scripted model respond to every request so."""
    model.default_step = respond
