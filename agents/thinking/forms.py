"""The forms of an edit: a whole file, search and replace on the parent's source, or a cross of two parents.

Which form a slot uses is drawn among those that its ancestors allow, by the weights of the campaign's settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from pydantic import JsonValue

from agents.admission.static_check import check
from agents.llm.prompts.idea import Facts
from agents.llm.schemas import Draft, Patch
from agents.thinking.correcting import Fault
from architecture.limits import MAX_SOURCE_CHARACTERS
from bus.vocabulary.events import ProposalCreated
from bus.wire.plain_text import clean_line, clean_text

Form = Literal["whole", "patch", "cross", "units"]
NAME_CHARACTERS = 80
MOTIVATION_CHARACTERS = 1_500
TASKS: Mapping[Form, tuple[str, type[Draft] | type[Patch]]] = {
    "whole": ("code_task", Draft),
    "patch": ("patch_task", Patch),
    "cross": ("cross_task", Draft),
}
"""Form → the purpose of its prompt and the schema of its answer; `units` asks in its own way."""


@dataclass(frozen=True, slots=True)
class Written:
    """An architecture as a model wrote it."""

    name: str
    motivation: str
    source: str
    design: dict[str, JsonValue] | None = None
    """Its design, if it was made of units."""


def possible_forms(facts: Facts) -> list[Form]:
    """Return the forms that a slot's ancestors allow."""
    parent = facts.parent
    forms: list[Form] = ["whole"]
    if parent and parent.source:
        forms.append("patch")
        if any(one.source for one in facts.references):
            forms.append("cross")
    return [*forms, "units"] if parent and parent.design else forms


def draw_form(facts: Facts, weights: Mapping[Form, float], random: Random) -> Form:
    """Return a form drawn by weight among the possible ones; a whole file if none of them has a weight."""
    forms = possible_forms(facts)
    shares = [weights.get(form, 0.0) for form in forms]
    return random.choices(forms, shares)[0] if sum(shares) > 0 else "whole"


def written(answer: Draft | Patch, parent_source: str) -> Written | Fault:
    """Return the architecture that an answer stands for, or why it stands for none."""
    source = answer.source if isinstance(answer, Draft) else patched(parent_source, answer)
    if isinstance(source, Fault):
        return source
    name, motivation = clean_line(answer.name, NAME_CHARACTERS), clean_text(answer.motivation, MOTIVATION_CHARACTERS)
    if not (name and motivation and source.strip()) or len(source) > MAX_SOURCE_CHARACTERS:
        return Fault("the model's draft lacks a name, a motivation or a source, or is too long")
    return Written(name, motivation, clean_text(source, MAX_SOURCE_CHARACTERS) + "\n")


def patched(source: str, patch: Patch) -> str | Fault:
    """Return a source after its replacements, each of a text that occurs exactly once."""
    if not patch.replacements:
        return Fault("the patch changes nothing")
    for number, one in enumerate(patch.replacements, 1):
        found = source.count(one.search) if one.search.strip() else 0
        if found != 1:
            return Fault(f"replacement {number}: the text to search occurs {found} times in the source, not once")
        source = source.replace(one.search, one.replace)
    return source


def static_fault(source: str) -> str:
    """Return what the static check finds in a source, in one line; empty if it finds nothing."""
    fault = check(source)
    if fault is None:
        return ""
    place = f"line {fault.line}: " if fault.line else ""
    return f"the static check found {fault.reason}: {place}{fault.message}"


def proposal(idea: Written, operator: str, facts: Facts) -> ProposalCreated:
    """Return a model's idea as a proposal."""
    request, ancestry = facts.request, facts.ancestry
    return ProposalCreated(
        name=idea.name,
        motivation=idea.motivation,
        source=idea.source,
        origin="model",
        operator=operator,
        parent=request.parent,
        references=request.references,
        design=idea.design,
        cognition=tuple(entry.key for entry in ancestry.cognition),
        guidance=request.guidance,
    )
