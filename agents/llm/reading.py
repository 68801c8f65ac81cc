"""Reads a typed answer out of what a model wrote, whatever surrounds it.

Models put JSON into code fences, after a block of reasoning, into prose, into the arguments of a call, or under one
more key, and add keys. All of that is read. What is read must then validate: a missing field or a value of another type
is a fault, in words for the model. Reasoning is kept apart from the answer.

    read_answer('<think>hm</think> Sure: {"answer": "Well."}', Answer)
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

MAX_CANDIDATES = 500
"""Beginnings of objects in a text that are tried."""
MAX_WRAPPERS = 4
"""Keys around the answer that are looked through."""
MAX_FAULTS = 5
"""Faults that are named at once."""
_WRAPPER_KEYS = ("arguments", "parameters", "input", "function", "function_call", "tool_calls", "properties", "args")
"""Keys under which a model writes the arguments of a call, or the values of a schema that it repeats."""
_REASONING = re.compile(r"(?is)\s*<(think|thinking|thought|reasoning|reflection)>(.*?)(?:</\1>|\Z)")
_REASONING_BEGIN = re.compile(r"(?i)<(?:think|thinking|thought|reasoning)>")
_REASONING_END = re.compile(r"(?is)\A(.*?)</(?:think|thinking|thought|reasoning)>")
"""Reasoning whose opening tag was in the endpoint's own template."""
_CHANNEL = re.compile(r"<\|message\|>")
_CHAT_TOKEN = re.compile(r"<\|[\w ]{1,32}\|>")
_FENCE = re.compile(r"```[\w+-]*[ \t]*\n?(.*?)```", re.DOTALL)

ReadOutcome = Literal["answered", "empty", "no_json", "wrong_form"]


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """What was read."""

    outcome: ReadOutcome
    """`answered`, or what is wrong."""
    answer: BaseModel | None = None
    """The valid answer."""
    fault: str = ""
    """What is wrong, in words for the model."""
    reasoning: str = ""
    """The reasoning that stood before the answer."""


def read_answer(text: str, schema: type[BaseModel]) -> ReadAnswer:
    """Return the answer in a text of a model; the last valid one if there are several."""
    text = text.lstrip("\ufeff\u200b").strip()
    reasoning, rest = ("", text) if _loads(text) is not None else split_reasoning(text)
    fault = ""
    for value in _objects(rest):
        for candidate in _unwrapped(value, MAX_WRAPPERS):
            try:
                return ReadAnswer("answered", _validated(_known_keys(candidate, schema), schema), "", reasoning)
            except ValidationError as error:
                fault = fault or _faults(error)
    if fault:
        return ReadAnswer("wrong_form", None, fault, reasoning)
    if not rest:
        return ReadAnswer("empty", None, "the answer is empty", reasoning)
    return ReadAnswer("no_json", None, "the answer holds no JSON object", reasoning)


def split_reasoning(text: str) -> tuple[str, str]:
    """Return the reasoning at the beginning of a text, and the rest."""
    if channels := list(_CHANNEL.finditer(text)):
        before, rest = text[: channels[-1].start()], text[channels[-1].end() :]
        return _CHAT_TOKEN.sub(" ", before).strip(), _CHAT_TOKEN.split(rest)[0].strip()
    blocks = []
    while block := _REASONING.match(text):
        blocks.append(block[2].strip())
        text = text[block.end() :]
    end = None if blocks else _REASONING_END.match(text)
    if end and not _REASONING_BEGIN.search(end[1]) and text[end.end() :].strip():
        blocks, text = [end[1].strip()], text[end.end() :]
    return "\n".join(blocks), text.strip()


def _objects(text: str) -> Iterator[Any]:
    """Yield what may be the answer: the whole text, or code fences and objects within it, what ends last first."""
    whole = _loads(text)
    if whole is not None:
        yield whole
        return
    found = [*_fenced(text), *_embedded(text)]
    yield from (value for _, value in sorted(found, key=itemgetter(0), reverse=True))


def _fenced(text: str) -> Iterator[tuple[int, Any]]:
    """Yield where each code fence of a text ends, with the value that it holds."""
    for fence in _FENCE.finditer(text):
        if (value := _loads(fence[1].strip())) is not None:
            yield fence.end(), value


def _embedded(text: str) -> Iterator[tuple[int, Any]]:
    """Yield where each JSON object within a text ends, with the object; none of them lies in another."""
    decoder, position = json.JSONDecoder(strict=False), 0
    for _ in range(MAX_CANDIDATES):
        position = text.find("{", position)
        if position < 0:
            return
        try:
            value, position = decoder.raw_decode(text, position)
            yield position, value
        except (ValueError, RecursionError):
            position += 1


def _loads(text: str) -> Any:
    """Return a text as JSON or as a Python literal, an object or what may hold one; None if it is neither."""
    if not text or text[0] not in '{["':
        return None
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    try:  # single quotes, trailing commas
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None
    return value if isinstance(value, dict | list) else None


def _unwrapped(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield an object and what it holds in place of the answer, the outermost first."""
    if depth < 0:
        return
    if isinstance(value, str):
        inner = _loads(value.strip())
        if inner is not None:
            yield from _unwrapped(inner, depth - 1)
    elif isinstance(value, list):
        for item in value[-1:]:
            yield from _unwrapped(item, depth - 1)
    elif isinstance(value, dict):
        yield value
        inside = value if len(value) == 1 else [key for key in value if key in _WRAPPER_KEYS]
        for key in inside:
            yield from _unwrapped(value[key], depth - 1)


def _known_keys(value: dict[str, Any], schema: type[BaseModel]) -> dict[str, Any]:
    """Return an object's values under the schema's keys: other keys are left out, and case does not count."""
    plain = {re.sub(r"[\s-]+", "_", str(key).strip().lower()): content for key, content in value.items()}
    return {name: plain[name] for name in schema.model_fields if name in plain}


def _validated(value: dict[str, Any], schema: type[BaseModel]) -> BaseModel:
    """Return an object as the schema, without inner keys that the schema does not know. Raises ValidationError."""
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        extra = [fault["loc"] for fault in error.errors(include_url=False) if fault["type"] == "extra_forbidden"]
        if not extra:
            raise
    return schema.model_validate(_without(value, extra))


def _without(value: dict[str, Any], places: Iterable[tuple[int | str, ...]]) -> dict[str, Any]:
    """Return a copy of an object without what is at some places; a place that it lacks is left alone."""
    copy = deepcopy(value)
    for *path, key in places:
        inner: Any = copy
        for step in path:
            inner = inner[step] if isinstance(inner, list) and isinstance(step, int) else _member(inner, step)
        if isinstance(inner, dict):
            inner.pop(key, None)
    return copy


def _member(value: Any, key: int | str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _faults(error: ValidationError) -> str:
    """Return what is wrong with an object, for the model."""
    faults = error.errors(include_url=False, include_input=False)[:MAX_FAULTS]
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'object'}: {fault['msg']}" for fault in faults)
