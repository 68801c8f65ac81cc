"""What a tool of a language model is: a read-only question about the lab, with typed arguments.

A tool asks memory like a role does: `run` yields questions and is sent their replies. It answers as of the event that
is decided on, whatever the log has got since. It publishes nothing: `agents.llm.tools.driving` refuses an event. So
text that persuades a model to call a tool makes it read what a prompt may hold, and changes nothing. One tool,
`check_source`, has a trainer run a source in the jail, as any proposal would be, a few times in a conversation.
"""

from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from bus.delivery.role import Subdecision
from bus.wire.envelope import Envelope


class Tool(Protocol):
    """A tool that a model may call before it answers."""

    name: ClassVar[str]
    """Its name, in lower case with underscores; `Completion.tools` names it."""
    description: ClassVar[str]
    """What it returns and when to call it, for the model."""
    Arguments: ClassVar[type[BaseModel]]
    """Its arguments; the docstrings of the fields are sent to the model as descriptions."""

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Return the text for the model; `arguments` are an `Arguments`. Raises ValueError with a line for it."""
        ...
