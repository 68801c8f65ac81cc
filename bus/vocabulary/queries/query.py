"""Fields of every query: its name, its campaign, and the position in the log that it is about."""

from typing import ClassVar

from bus.vocabulary.questions import Question


class Query(Question):
    """A question to memory about the log up to a position."""

    name: ClassVar[str]
    """Last token of the subject."""
    at: int = 0
    """Position in the log; 0 for the newest."""
    campaign: str = ""
    """The campaign; empty for the newest one."""


class ReaderQuery(Query):
    """A query whose answer depends on its reader: a role with a language model reads sources and prose."""

    reader: str = ""
    """Role that reads the answer. If the campaign names a model for it, the answer holds sources and prose too."""
