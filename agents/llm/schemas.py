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


class Plan(_TypedAnswer):
    """A plan of a new architecture, before its code."""

    mechanism: str
    """The mechanism, in two to five sentences: what it computes at every step, with its equations."""
    weakness: str
    """The weakness that it answers, in one sentence."""
    expected: str
    """Which figure should move, and why, in one sentence."""


class Reflection(_TypedAnswer):
    """A second look at what was written before."""

    holds: bool
    """Whether it stands as it is."""
    why: str
    """What is wrong and what to change; one sentence if it stands."""


class ProgramPlan(_TypedAnswer):
    """A plan of a new researcher program, before its code."""

    rule: str
    """How it chooses parents, mates and operators as results come in, in two to five sentences."""
    difference: str
    """What no program in the blocks does, in one sentence."""
    expected: str
    """On which landscapes it should gain, and why, in one sentence."""


class ProgramDraft(_TypedAnswer):
    """A new researcher program."""

    source: str
    """The whole Python file."""


class Replacement(_TypedAnswer):
    """A change of a file."""

    search: str
    """Lines of the parent's source exactly as they are; they occur there once."""
    replace: str
    """What stands in their place."""


class Patch(_TypedAnswer):
    """A new architecture as changes of the parent's source."""

    name: str
    """Short readable name of the design, in lower case with hyphens."""
    motivation: str
    """Why it should work, in two to five sentences that name the mechanism and the weakness it answers."""
    replacements: list[Replacement]
    """The changes, in order."""


class UnitPlan(_TypedAnswer):
    """Which questions of a design to answer in another way."""

    name: str
    """Short readable name of the new design, in lower case with hyphens."""
    motivation: str
    """Why it should work, in two to five sentences that name the mechanism and the weakness it answers."""
    questions: list[str]
    """Names of the questions, the most important first."""


class UnitChoice(_TypedAnswer):
    """The answer to one question of a design."""

    unit: str
    """Name of the unit."""


class Sameness(_TypedAnswer):
    """Whether a proposed idea is an earlier one in other words."""

    same_as: str
    """Id of the earlier idea that it is; empty if it is none of them."""
    why: str
    """The mechanism that both share, or what sets them apart, in one sentence."""


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


class Insights(_TypedAnswer):
    """What a campaign has taught so far."""

    worked: list[str]
    """What worked, one sentence each with its experiments and figures, at most five."""
    failed: list[str]
    """What did not work, likewise."""
    questions: list[str]
    """What is open, one sentence each, at most five."""


class Answer(_TypedAnswer):
    """A reply to a person."""

    answer: str
    """The reply, a few sentences, from the given facts alone."""


SCHEMAS: dict[str, type[BaseModel]] = {
    schema.__name__: schema
    for schema in (
        Draft, Plan, Reflection, Patch, UnitPlan, UnitChoice, Sameness, Revision, Judgement, Insights, Answer,
        ProgramPlan, ProgramDraft,
    )
}  # fmt: skip
"""Every schema by its name, which a question gives as `Completion.schema_name`."""


def parse_completion(reply: CompletionReply, schema: type[AnswerType]) -> AnswerType | str:
    """Return the reply as a typed answer, or one line that says why it is none."""
    if reply.error:
        return reply.error
    try:
        return schema.model_validate_json(reply.body)
    except ValidationError as error:
        return f"the answer is no {schema.__name__}: {error.errors(include_url=False, include_input=False)[0]['msg']}"
