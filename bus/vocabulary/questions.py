"""Questions that a decision asks, and their replies. Queries to memory are questions too."""

from typing import ClassVar

from bus.vocabulary.events import ModelAccount, Record


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
    tools: tuple[str, ...] = ()
    """Read-only tools that the model may call before it answers, names in `agents.llm.tools.TOOLS`."""
    agent: str = ""
    """Whose model answers: a table `[llm.<agent>]` of the settings; empty for that of the role that asks."""
    version: str = ""
    """Version and digest of the prompt; empty for a prompt of logs before versions."""


class ToolUse(Record):
    """One call of a tool by a model."""

    tool: str
    """Name of the tool."""
    arguments: str
    """Its arguments as JSON, as the model wrote them."""
    result: str
    """The text that the model was given."""


class CompletionReply(Record):
    """A model's typed answer as JSON, or why there is none."""

    body: str = ""
    """JSON text of the answer."""
    error: str = ""
    """One line that says why there is no answer; the decision then goes on without a model."""
    account: ModelAccount | None = None
    """What the answer took; None in older logs."""
    reasoning: str = ""
    """What the model wrote as its reasoning, apart from its answer."""
    failed: tuple[str, ...] = ()
    """Answers that were not usable as the model wrote them, shortened, oldest first."""
    tool_uses: tuple[ToolUse, ...] = ()
    """Calls of tools, in order."""


Completion.Reply = CompletionReply
