"""check_source: the static check of an architecture that a model has not proposed yet.

The gates need the jail. They belong to the trainer, which takes runs from the log alone: a tool that published a run
would not be read-only. So a source that passes here may still fail a gate, and the engineer's repair sees that.
"""

from typing import Any, ClassVar

from pydantic import BaseModel

from agents.admission.static_check import check
from bus.delivery.role import Subdecision
from bus.wire.envelope import Envelope


class SourceArguments(BaseModel):
    """An architecture."""

    source: str
    """The whole Python file."""


class CheckSource:
    """Checks a source without running it."""

    name: ClassVar[str] = "check_source"
    description: ClassVar[str] = "The first static fault of an architecture file, with its line; ask before you answer."
    Arguments: ClassVar[type[BaseModel]] = SourceArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:  # noqa: ARG002  (the check reads no log)
        """Return the fault in one line, or that there is none."""
        fault = check(arguments.source)
        if fault is None:
            return "no static fault"
        return f"{fault.reason}: {f'line {fault.line}: ' if fault.line else ''}{fault.message}"
        yield
