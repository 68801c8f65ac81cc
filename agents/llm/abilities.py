"""What an endpoint can do, and how a request steps down when the endpoint refuses a part of it.

OpenAI-compatible endpoints differ in what they accept: a strict JSON Schema, JSON mode or plain text; tools; a
temperature (reasoning models have none); a system message; the older or the newer name of the token limit. A request
begins with everything. If the endpoint refuses it, the next one lacks what the refusal names. Without a name, parts are
left out one after another. What worked is remembered for the endpoint while the process lives.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal

Form = Literal["json_schema", "json_object", "text"]
"""What asks for the form of the answer: a schema that the endpoint enforces, JSON mode, or words alone."""
_NEXT_FORM: dict[Form, Form] = {"json_schema": "json_object", "json_object": "text"}
LimitName = Literal["max_completion_tokens", "max_tokens", ""]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a request may use at an endpoint."""

    form: Form = "json_schema"
    """What asks for the form of the answer."""
    tools: bool = True
    """Whether tools may be offered."""
    temperature: bool = True
    """Whether a temperature may be set."""
    system: bool = True
    """Whether there is a system message; otherwise the instructions begin the user's message."""
    effort: bool = True
    """Whether the effort of reasoning may be set."""
    limit: LimitName = "max_tokens"
    """Name of the limit on tokens; empty if none is accepted."""

    def __str__(self) -> str:
        """Return what works and what does not, in words."""
        lacking = [each.name for each in fields(self) if getattr(self, each.name) is False]
        named = [] if self.limit == "max_tokens" else [self.limit or "no token limit"]
        return ", ".join([self.form, *named, *(f"no {name}" for name in lacking)])


@dataclass(frozen=True, slots=True)
class RequestParts:
    """Which parts a request has that an endpoint may refuse."""

    structured: bool
    """Whether its answer has a form."""
    tools: bool
    temperature: bool
    effort: bool
    limit: bool


_REFUSED: tuple[tuple[str, str], ...] = (
    ("limit", r"max_tokens|max_completion_tokens|max_new_tokens"),
    ("temperature", r"temperature"),
    ("effort", r"reasoning[_ ]effort|\breasoning\b"),
    ("tools", r"\btools?\b|\bfunctions?\b|tool_choice|tool-call|function call"),
    ("form", r"response_format|json[_ ]schema|json[_ ]object|json mode|structured|guided|grammar|schema"),
    ("system", r"\bsystem\b|developer (?:message|instruction|role)"),
)
"""Part of a request → what the text of a refusal calls it. The first that matches is left out."""
_NOT_ABOUT_PARTS = re.compile(
    r"context|too long|too large|content (?:policy|filter|management)|safety|quota|billing|credit|model.{0,40}not",
    re.IGNORECASE,
)
"""Texts of refusals that another form of the same request would meet again."""


def step_down(abilities: Abilities, parts: RequestParts, refusal: str) -> Abilities | None:
    """Return what the next request may use after a refusal (HTTP 400, 404, 415, 422, 501); None if nothing would help.

    `parts` are those that the refused request had.
    """
    named = [name for name, pattern in _REFUSED if re.search(pattern, refusal, re.IGNORECASE)]
    for name in named:
        if lesser := _without(abilities, parts, name):
            return lesser
    if named or _NOT_ABOUT_PARTS.search(refusal):
        return None
    return next(_lesser(abilities, parts), None)


def _lesser(abilities: Abilities, parts: RequestParts) -> Iterator[Abilities]:
    """Yield lesser abilities, the part that is refused most often first."""
    for name in ("form", "temperature", "effort", "limit", "tools", "system"):
        if lesser := _without(abilities, parts, name):
            yield lesser


def _without(abilities: Abilities, parts: RequestParts, name: str) -> Abilities | None:  # noqa: PLR0911  (one per part)
    """Return the abilities without a part; None if the request did not have it."""
    match name:
        case "form" if parts.structured and abilities.form != "text":
            return replace(abilities, form=_NEXT_FORM[abilities.form])
        case "temperature" if parts.temperature and abilities.temperature:
            return replace(abilities, temperature=False)
        case "effort" if parts.effort and abilities.effort:
            return replace(abilities, effort=False)
        case "limit" if parts.limit and abilities.limit:
            return replace(abilities, limit="max_completion_tokens" if abilities.limit == "max_tokens" else "")
        case "tools" if parts.tools and abilities.tools:
            return replace(abilities, tools=False)
        case "system" if abilities.system:
            return replace(abilities, system=False)
        case _:
            return None
