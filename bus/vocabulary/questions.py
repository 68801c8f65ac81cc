"""Questions: what a decision asks on its way, and the replies. Queries to memory are questions too."""

from typing import ClassVar

from bus.vocabulary.events import Record


class Question(Record):
    """Something a decision has to know that its event does not say. Its answer is recorded for replays."""

    Reply: ClassVar[type[Record]]
    """What it is answered with."""


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
    """One line where no answer could be had; the decision then goes on without a model."""


Completion.Reply = CompletionReply
