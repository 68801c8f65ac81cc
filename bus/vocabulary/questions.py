"""Questions that a decision asks, and their replies. Queries to memory are questions too."""

from typing import ClassVar

from bus.vocabulary.events import Record


class Question(Record):
    """A question of a decision about something that its event lacks. The answer is recorded for replays."""

    Reply: ClassVar[type[Record]]
    """Class of the reply."""


class Completion(Question):
    """A question to a language model, answered with text that parses as `schema_name`."""

    instructions: str
    """The system message."""
    prompt: str
    """The user message."""
    schema_name: str
    """Name of the typed answer, a key of `agents.llm.schemas.SCHEMAS`."""


class CompletionReply(Record):
    """A model's typed answer as JSON, or why there is none."""

    body: str = ""
    """JSON text of the answer."""
    error: str = ""
    """One line that says why there is no answer; the decision then goes on without a model."""


Completion.Reply = CompletionReply
