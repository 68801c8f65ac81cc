"""Facts of a chat completion's HTTP body that AutoGen's result lacks: reasoning, refusal, cached tokens, odd contents.

The body is of any OpenAI-compatible endpoint, so nothing about it is certain: a key may be missing or of another type.
"""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ReplyFacts:
    """What a reply says, its answer included."""

    text: str = ""
    """The answer's text, wherever the endpoint put it; empty for calls of tools."""
    reasoning: str = ""
    """The model's reasoning, if the endpoint keeps it apart."""
    refusal: str = ""
    """Why the model refused to answer; empty if it did not."""
    cut_off: bool = False
    """Whether the answer ended at the limit on tokens."""
    called: int = 0
    """Characters of the calls of tools."""
    has_choice: bool = False
    """Whether the body holds an answer at all."""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    tokens_reasoning: int = 0

    @property
    def written(self) -> int:
        """Characters that the model wrote, reasoning and calls of tools included."""
        return len(self.text) + len(self.reasoning) + self.called


def facts_of(body: bytes) -> ReplyFacts:
    """Return the facts in a body; those of an empty reply if it is no completion."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return ReplyFacts()
    choice = _table(next(iter(_list(_table(reply).get("choices"))), None))
    message = _table(choice.get("message"))
    usage = _table(_table(reply).get("usage"))
    filtered = choice.get("finish_reason") == "content_filter"
    return ReplyFacts(
        text=_text(message.get("content")) or _text(choice.get("text")) or _call_arguments(message),
        reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")),
        refusal=_text(message.get("refusal")) or ("the endpoint filtered the answer" if filtered else ""),
        cut_off=choice.get("finish_reason") in {"length", "max_tokens"},
        called=sum(map(_call_length, _list(message.get("tool_calls")))),
        has_choice=bool(message) or "text" in choice,
        tokens_in=_count(usage, "prompt_tokens"),
        tokens_out=_count(usage, "completion_tokens"),
        tokens_cached=_count(_table(usage.get("prompt_tokens_details")), "cached_tokens"),
        tokens_reasoning=_count(_table(usage.get("completion_tokens_details")), "reasoning_tokens"),
    )


def _text(content: Any) -> str:
    """Return a content as text: a text, or the texts of its parts; an object in its place is one that was meant."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return json.dumps(content)
    return "".join(_text(_table(part).get("text")) for part in _list(content))


def _call_arguments(message: dict[str, Any]) -> str:
    """Return the arguments of the older form of a function call, which AutoGen refuses."""
    return _text(_table(message.get("function_call")).get("arguments"))


def _call_length(call: Any) -> int:
    """Return the characters of a call of a tool."""
    function = _table(_table(call).get("function"))
    return len(_text(function.get("name"))) + len(_text(function.get("arguments")))


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(usage: dict[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value > 0 else 0
