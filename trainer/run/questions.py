"""The questions that the trainer's decision asks the trainer's service: prepare a run, then train and score it.

Both questions name only the run: the event under decision holds the rest. Each reply consists of whole events and is
recorded with the decision, so a replay of the role needs no jail.
"""

from typing import ClassVar

from bus.vocabulary.events import Record, RunAnomaly, RunCompleted, RunFailed, RunStarted
from bus.vocabulary.questions import Question


class Prepared(Record):
    """Whether training may begin: exactly one of the two is set."""

    started: RunStarted | None = None
    """Set if the candidate passed the gates."""
    failed: RunFailed | None = None
    """Set if the candidate failed a gate, or if the run failed before the gates."""


class Prepare(Question):
    """Build the architecture in the jail and run the gates."""

    Reply: ClassVar[type[Record]] = Prepared

    run: str
    """Id of the run."""


class Trained(Record):
    """How the run ended: exactly one of `completed` and `failed` is set."""

    anomaly: RunAnomaly | None = None
    """Set if the monitor stopped the run; `failed` is then set too."""
    completed: RunCompleted | None = None
    """Set if the run has scores."""
    failed: RunFailed | None = None
    """Set if the run has no scores."""
    blocks: tuple[float, ...] = ()
    """Nats per byte of each block of sealed text, of a run that is scored on it."""


class Train(Question):
    """Train and score the prepared run."""

    Reply: ClassVar[type[Record]] = Trained

    run: str
    """Id of the run."""
