"""What the trainer's decision asks of its edge: build and examine an architecture, then train and score it.

Both questions carry nothing but the run: the event that is decided upon holds the rest. Their answers are whole events,
recorded with the decision, so that a replay of the role needs no jail.
"""

from typing import ClassVar

from bus.vocabulary.events import Record, RunAnomaly, RunCompleted, RunFailed, RunStarted
from bus.vocabulary.questions import Question


class Prepared(Record):
    """Whether training may begin: one of the two is set."""

    started: RunStarted | None = None
    """The gates held."""
    failed: RunFailed | None = None
    """They didn't, or the run never got so far."""


class Prepare(Question):
    """Build the architecture in the jail and put it through the gates."""

    Reply: ClassVar[type[Record]] = Prepared

    run: str
    """The run."""


class Trained(Record):
    """How the run ended: `completed` or `failed` is set."""

    anomaly: RunAnomaly | None = None
    """What the monitor stopped it for."""
    completed: RunCompleted | None = None
    """Its scores."""
    failed: RunFailed | None = None
    """Why it has none."""


class Train(Question):
    """Train what was prepared, and score it."""

    Reply: ClassVar[type[Record]] = Trained

    run: str
    """The run."""
