"""Drives a tool that a model called: checks its arguments, answers its questions, and keeps the text within bounds.

Memory is asked as of the event that is decided on. A fault becomes the text that the model reads, since it can call the
tool again; it never ends the conversation.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from agents.llm.tools.tool import Tool
from bus.delivery.role import Post, one_by_one
from bus.vocabulary.events import Record
from bus.vocabulary.queries import Query
from bus.vocabulary.questions import Completion, Question
from bus.wire.envelope import Envelope
from bus.wire.plain_text import clean_text

MAX_RESULT_CHARACTERS = 8_000
"""Length of a tool's text."""
MAX_QUESTIONS = 20
"""Questions that one call may ask."""

QuestionAnswerer = Callable[[Envelope, Question], Awaitable[Record]]
"""Answers a question of a tool: memory over the bus, or whoever answers that class of question in this service."""


async def run_tool(tool: Tool, envelope: Envelope, arguments: str, answer: QuestionAnswerer) -> str:
    """Return a tool's text for arguments that a model wrote as JSON; a fault is a text that begins with `error: `."""
    try:
        parsed = tool.Arguments.model_validate_json(arguments or "{}")
        text = await _drive(tool, envelope, parsed, answer)
    except ValidationError as error:
        return f"error: the arguments are not valid: {_faults(error)}"
    except Exception as error:  # noqa: BLE001  (a tool that fails must not end the decision that its model helps)
        return clean_text(f"error: {error}", MAX_RESULT_CHARACTERS)
    return clean_text(text, MAX_RESULT_CHARACTERS) or "nothing found"


async def _drive(tool: Tool, envelope: Envelope, arguments: Any, answer: QuestionAnswerer) -> str:
    """Answer a tool's questions until it returns its text. Raises ValueError for an event or too many questions."""
    steps = one_by_one(tool.run(envelope, arguments))
    reply: Record | None = None
    for _ in range(MAX_QUESTIONS + 1):
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            return str(stop.value)
        if isinstance(step, Post | Completion):
            raise ValueError(f"{tool.name} is read-only and asks no model")  # noqa: TRY004  (a fault of the tool's code)
        reply = await answer(envelope, _as_of(step, envelope))
    raise ValueError(f"{tool.name} asked more than {MAX_QUESTIONS} questions")


def _as_of(question: Question, envelope: Envelope) -> Question:
    """Return a question that is about the log up to the event."""
    return question.model_copy(update={"at": envelope.seq}) if isinstance(question, Query) else question


def _faults(error: ValidationError) -> str:
    """Return the faults of arguments in one line, for a model."""
    faults = error.errors(include_url=False, include_input=False)[:5]
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in faults)
