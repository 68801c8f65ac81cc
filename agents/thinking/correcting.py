"""The loop of a model that writes code: an attempt, what is wrong with it, its own doubt, and again.

A fault goes back into the same conversation, a few times at most. What is sound the model looks at once itself; a doubt
goes back too, and if no correction is sound, what the model doubted stands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from agents.llm.prompts.blocks import Provenance
from agents.llm.schemas import Reflection
from agents.thinking.conversation import RoleConversation
from bus.delivery.role import Subdecision

AGAIN = "again_task"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why what a model wrote can't be used as it is; its author may correct it."""

    message: str
    said_by: Provenance = "lab"
    """Whose words the message has."""


@dataclass(frozen=True, slots=True)
class Authored(Generic[T]):
    """What came of the loop."""

    sound: T | None
    """The last that was without a fault, if there is one."""
    ended: Fault | str = ""
    """The fault that no correction removed, or one line that says why an answer is missing; empty without either."""


Attempt = Callable[[str], Subdecision[T | Fault | str]]
"""Asks for a task, a purpose of the prompts; returns what is sound, its fault, or why there is no answer."""


def authored(
    talk: RoleConversation, task: str, attempt: Attempt[T], *, review: str, corrections: int
) -> Subdecision[Authored[T]]:
    """Return what the model wrote after at most so many corrections; `review` is the task of its doubt, if any."""
    sound: T | None = None
    fault = Fault("")
    for _ in range(1 + corrections):
        found = yield from attempt(task)
        if isinstance(found, str):
            return Authored(sound, found)
        if not isinstance(found, Fault):
            doubt = None if sound or not review else (yield from _doubt(talk, review))
            if doubt is None:
                return Authored(found)
            sound, found = found, doubt
        fault, task = found, AGAIN
        talk.tell("fault", fault.message, fault.said_by)
    return Authored(sound, fault)


def _doubt(talk: RoleConversation, review: str) -> Subdecision[Fault | None]:
    """Return what the model finds wrong in what it wrote; nothing if it holds, or without an answer."""
    reflection = yield from talk.ask(review, Reflection)
    return None if isinstance(reflection, str) or reflection.holds else Fault(reflection.why)
