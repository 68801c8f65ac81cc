"""What it takes to try an experiment, and what one that was tried is compared with."""

from typing import ClassVar

from bus.vocabulary.events import CampaignStarted, Record
from bus.vocabulary.queries.experiment import Experiment
from bus.vocabulary.queries.query import Query


class Peers(Record):
    """An experiment and what it is to be compared with, of which the answer holds the figures alone."""

    this: Experiment
    """The experiment whole, but for its curves and, unless it was asked for, its source."""
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


class AskPeers(Query):
    """What is this experiment to be compared with?"""

    name: ClassVar[str] = "peers"
    Reply: ClassVar[type[Record]] = Peers

    experiment: str
    """Which one."""
    source: bool = False
    """Whether its source is wanted: a model reads it, a formula counts its lines."""


class ExperimentSetup(Record):
    """What it takes to try an experiment."""

    this: Experiment
    """The experiment in short form, with its source and its design where they were asked for."""
    started: CampaignStarted | None = None
    """What the campaign was started with."""
    baselines: tuple[Experiment, ...] = ()
    """Baselines that have completed, with their figures alone."""


class AskTrial(Query):
    """What does it take to try this experiment?"""

    name: ClassVar[str] = "trial"
    Reply: ClassVar[type[Record]] = ExperimentSetup

    experiment: str
    """Which one."""
    source: bool = False
    """Whether the newest attempt's source and design are wanted: a proposal brings its own."""
