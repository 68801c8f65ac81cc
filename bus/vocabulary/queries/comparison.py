"""What it takes to try an experiment, and what one that was tried is compared with."""

from typing import ClassVar

from bus.vocabulary.events import CampaignStarted, Record
from bus.vocabulary.queries.experiment import Experiment
from bus.vocabulary.queries.query import Query, ReaderQuery


class Peers(Record):
    """An experiment and what it is compared with; of the others the figures alone."""

    this: Experiment
    """The experiment without its curves; with its source if the reader has a model."""
    parent: Experiment | None = None
    """Its parent."""
    siblings: tuple[float, ...] = ()
    """Text losses, in nats per byte, of the newest other analysed children of that parent, in the order of opening."""
    baselines: tuple[Experiment, ...] = ()
    """Baselines that have completed."""
    baselines_pending: int = 0
    """Baselines that are neither trained nor failed."""
    awaiting: tuple[str, ...] = ()
    """Experiments trained but not analysed, this one included, in the order they completed."""
    started: CampaignStarted | None = None
    """How the campaign was started."""


class AskPeers(ReaderQuery):
    """What is this experiment to be compared with?"""

    name: ClassVar[str] = "peers"
    Reply: ClassVar[type[Record]] = Peers

    experiment: str
    """Which one."""


class ExperimentSetup(Record):
    """What it takes to try an experiment."""

    this: Experiment
    """The experiment in short form, with its source and its design where they were asked for."""
    started: CampaignStarted | None = None
    """What the campaign was started with."""
    baselines: tuple[Experiment, ...] = ()
    """Baselines that have completed, with their figures alone."""


class AskSetup(Query):
    """What does it take to try this experiment?"""

    name: ClassVar[str] = "trial"
    Reply: ClassVar[type[Record]] = ExperimentSetup

    experiment: str
    """Which one."""
    source: bool = False
    """Whether the newest attempt's source and design are wanted: a proposal brings its own."""
