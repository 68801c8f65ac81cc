"""An experiment with its peers after its trial, and with its setup before."""

from typing import ClassVar

from bus.vocabulary.events import CampaignStarted, Record
from bus.vocabulary.queries.experiment import Experiment
from bus.vocabulary.queries.query import Query, ReaderQuery


class Peers(Record):
    """An experiment and its peers; of the peers, the figures alone."""

    this: Experiment
    """The experiment without its curves; with its source if the reader has a model."""
    parent: Experiment | None = None
    """Its parent."""
    siblings: tuple[float, ...] = ()
    """Text losses, nats per byte, of the newest other analysed children of the parent, in the order of opening."""
    sibling_ids: tuple[str, ...] = ()
    """The newest of them, for a reader with a model, which may ask for their words; so is the next."""
    grandparent_id: str = ""
    """The parent's parent, if it has one."""
    baselines: tuple[Experiment, ...] = ()
    """Baselines that have completed."""
    baselines_pending: int = 0
    """Number of baselines that are neither trained nor failed."""
    awaiting: tuple[str, ...] = ()
    """Experiments that are trained but not analysed, this one included, in the order of completion."""
    started: CampaignStarted | None = None
    """The event that started the campaign."""


class AskPeers(ReaderQuery):
    """What is this experiment compared with?"""

    name: ClassVar[str] = "peers"
    Reply: ClassVar[type[Record]] = Peers

    experiment: str
    """Id of the experiment."""


class ExperimentSetup(Record):
    """Everything that a trial of an experiment needs."""

    this: Experiment
    """The experiment in short form, with source and design if the query wants them."""
    started: CampaignStarted | None = None
    """The event that started the campaign."""
    baselines: tuple[Experiment, ...] = ()
    """Baselines that have completed: their figures alone."""
    copy_of: str = ""
    """The experiment with the same source or design that was proposed between this one's slot and its proposal; empty
    if there is none, and in a reply with the newest attempt's source."""


class AskSetup(Query):
    """What does a trial of this experiment need?"""

    name: ClassVar[str] = "trial"
    Reply: ClassVar[type[Record]] = ExperimentSetup

    experiment: str
    """Id of the experiment."""
    source: bool = False
    """Whether the reply holds the newest attempt's source and design: a proposal brings its own."""
