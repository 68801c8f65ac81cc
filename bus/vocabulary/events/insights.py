"""Insights: what a campaign has taught so far, written every so many analysed experiments."""

from pydantic import Field

from bus.vocabulary.events.base import Event


class InsightsReady(Event):
    """The analyst has summed up what worked, what did not, and what is open. A newer one replaces it."""

    worked: tuple[str, ...]
    """What worked, one sentence each."""
    failed: tuple[str, ...]
    """What did not work, likewise."""
    questions: tuple[str, ...]
    """What is open, likewise."""
    analysed: int = Field(ge=0)
    """Number of analysed experiments that it covers."""
    written_by: str
    """`rules`, or a model with its prompt's version."""
