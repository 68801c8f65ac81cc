"""The typed answers of a language model: one schema per kind of decision.

Every field is required and no other is allowed, as strict structured output of OpenAI-compatible endpoints demands.
The docstrings of the schemas and their fields are sent to the model as descriptions.
"""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bus.vocabulary.questions import CompletionReply

AnswerType = TypeVar("AnswerType", bound=BaseModel)


class _TypedAnswer(BaseModel):
    """A frozen answer without further fields, whose field docstrings become descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class Draft(_TypedAnswer):
    """A new architecture."""

    name: str
    """Short readable name of the design, in lower case with hyphens."""
    motivation: str
    """Why it should work, in two to five sentences that name the mechanism and the weakness it answers."""
    source: str
    """The whole Python file."""


class Revision(_TypedAnswer):
    """A repaired architecture."""

    change: str
    """What was changed and why, in one or two sentences."""
    source: str
    """The whole repaired Python file."""


class Judgement(_TypedAnswer):
    """An explanation of a result, with marks."""

    findings: list[str]
    """What the figures show, one sentence each, at most five."""
    problem: str
    """The weakness that the next design should address, in one or two sentences that name a mechanism."""
    performance: int = Field(ge=1, le=10)
    """How well it scores against the baselines: 5 is like them, 10 far better."""
    innovation: int = Field(ge=1, le=10)
    """How new the mechanism is against what was tried before."""
    complexity: int = Field(ge=1, le=10)
    """How simple and cheap it is for what it reaches: 10 is simple."""


class Answer(_TypedAnswer):
    """A reply to a person."""

    answer: str
    """The reply, a few sentences, from the given facts alone."""


SCHEMAS: dict[str, type[BaseModel]] = {schema.__name__: schema for schema in (Draft, Revision, Judgement, Answer)}
"""Every schema by its name, which a question gives as `Completion.schema_name`."""


def parse_completion(reply: CompletionReply, schema: type[AnswerType]) -> AnswerType | str:
    """Return the reply as a typed answer, or one line that says why it is none."""
    if reply.error:
        return reply.error
    try:
        return schema.model_validate_json(reply.body)
    except ValidationError as error:
        return f"the answer is no {schema.__name__}: {error.errors(include_url=False, include_input=False)[0]['msg']}"
