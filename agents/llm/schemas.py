"""What a language model is asked to fill in: one typed answer per kind of decision.

Every field is required and no other is allowed, which is what strict structured output of OpenAI-compatible endpoints
wants. The texts under the fields reach the model as the schema's descriptions.
"""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bus.vocabulary.questions import CompletionReply

Typed = TypeVar("Typed", bound=BaseModel)


class _Typed(BaseModel):
    """A closed, frozen answer whose field docstrings become descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class Draft(_Typed):
    """A new architecture."""

    name: str
    """Short readable name of the design, in lower case with hyphens."""
    motivation: str
    """Why it should work, in two to five sentences that name the mechanism and the weakness it answers."""
    source: str
    """The whole Python file."""


class Revision(_Typed):
    """A repaired architecture."""

    change: str
    """What was changed and why, in one or two sentences."""
    source: str
    """The whole repaired Python file."""


class Judgement(_Typed):
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


class Answer(_Typed):
    """A reply to a person."""

    answer: str
    """The reply, a few sentences, from the given facts alone."""


SCHEMAS: dict[str, type[BaseModel]] = {schema.__name__: schema for schema in (Draft, Revision, Judgement, Answer)}
"""Every typed answer by its name, as `bus.delivery.role.Completion.schema_name` gives it."""


def parse_completion(reply: CompletionReply, schema: type[Typed]) -> Typed | str:
    """Return the typed answer, or one line that says why there is none."""
    if reply.error:
        return reply.error
    try:
        return schema.model_validate_json(reply.body)
    except ValidationError as error:
        return f"the answer is no {schema.__name__}: {error.errors(include_url=False, include_input=False)[0]['msg']}"
