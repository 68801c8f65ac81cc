"""Ancestors, papers and earlier ideas."""

from typing import ClassVar

from pydantic import Field, JsonValue

from bus.vocabulary.events import CampaignStarted, Record
from bus.vocabulary.queries.experiment import Experiment
from bus.vocabulary.queries.query import Query, ReaderQuery


class Neighbour(Record):
    """An earlier idea, and how near it is."""

    id: str
    """The experiment."""
    similarity: float | None = None
    """Cosine similarity of the motivations; None if no text was compared."""
    distance: int | None = None
    """Units in which the designs differ (`bus.vocabulary.design_edits`); None if no designs were compared."""
    motivation: str
    """Its motivation."""
    same_source: bool = False
    """Whether its source is the same, blank space aside."""


class Neighbours(Record):
    """Earlier ideas, nearest first."""

    rows: tuple[Neighbour, ...]
    """At most k."""


class AskNeighbours(Query):
    """Which earlier ideas resemble this one?"""

    name: ClassVar[str] = "neighbours"
    Reply: ClassVar[type[Record]] = Neighbours

    text: str = ""
    """A motivation, compared by embedding; empty to compare none."""
    design: dict[str, JsonValue] | None = None
    """A design, compared by structure with the designs of earlier ideas."""
    fingerprint: str = ""
    """The fingerprint of its source (`bus.wire.ids.fingerprint`), to find an identical one."""
    exclude: str = ""
    """Experiment to leave out: the one whose idea is compared."""
    k: int = Field(default=5, ge=1, le=50)
    """Number of rows at most."""


class CognitionEntry(Record):
    """Published knowledge from one paper."""

    key: str
    """Stable key."""
    title: str
    """The paper."""
    scenario: str
    """The weakness that it helps against."""
    algorithm: str
    """What it does."""
    history: str
    """Its predecessors, and what it changed."""
    units: tuple[str, ...] = ()
    """Units of the design grammar that it supports."""
    similarity: float = 0.0
    """Cosine similarity to the problem."""


class Cognition(Record):
    """Entries, nearest first."""

    rows: tuple[CognitionEntry, ...]
    """At most k, none below the threshold."""


class AskCognition(Query):
    """What is published about this problem?"""

    name: ClassVar[str] = "cognition"
    Reply: ClassVar[type[Record]] = Cognition

    text: str
    """A problem, in words."""
    k: int = Field(default=3, ge=1, le=20)
    """Number of rows at most."""
    min_similarity: float = 0.25
    """Lowest cosine similarity of an entry."""


class Ancestry(Record):
    """The ancestors of a new idea, and knowledge about their problem."""

    started: CampaignStarted | None = None
    """The event that started the campaign; None if the log holds none."""
    rows: tuple[Experiment, ...] = ()
    """Parent and references, in the order of opening: their designs and, if the reader has a model, everything else."""
    cognition: tuple[CognitionEntry, ...] = ()
    """Papers on the parent's problem or, if it has none, on the campaign's goal."""
    near: tuple[Neighbour, ...] = ()
    """Earlier ideas near the parent's own, nearest first; only if the reader has a model."""
    coined: tuple[str, ...] = ()
    """Formulas that are units of the grammar, as `axis:key`, in the order of their coining."""


class AskAncestry(ReaderQuery):
    """What does a new idea start from?"""

    name: ClassVar[str] = "ancestry"
    Reply: ClassVar[type[Record]] = Ancestry

    parent: str | None = None
    """Experiment to improve on."""
    references: tuple[str, ...] = ()
    """Other experiments to draw on."""
