"""A meta-campaign as its log tells it: the settings, the programs with their scores, and what people vetoed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from agents.meta.genome import Genome
from bus.vocabulary.events import (
    CampaignFinished,
    CampaignStarted,
    HumanMessage,
    ModelAnswered,
    ProgramFailed,
    Record,
    ResearcherEvaluated,
    ResearcherPromoted,
    ResearcherProposed,
    Split,
)
from bus.wire.envelope import Envelope

MetaArm = Literal["evolve", "no_archive", "random", "seeds_only"]
"""Parents from the archive; from the seeds alone; no parents; no new programs."""
PROGRAMMER = "programmer"
"""The agent whose model writes programs: a table `[llm.programmer]` of the settings, a key of CampaignStarted."""
SPACE = "researchers"
"""What a meta-campaign searches, in CampaignStarted."""


class MetaSettings(Record):
    """What steers a meta-campaign: `CampaignStarted.policy_parameters`."""

    programs: int = Field(ge=0)
    """New programs to try."""
    arm: MetaArm = "evolve"
    """Where parents come from."""
    seeds: tuple[str, ...]
    """Names of the programs that open the campaign (`agents.meta.seeds`)."""
    finalists: int = Field(default=10, ge=1)
    """New programs, the best on `search`, that are run on `validation`."""
    families: dict[str, Split] = Field(default_factory=dict)
    """The families of landscapes and their splits."""
    root: int = Field(ge=0)
    """Determines the landscapes. It is drawn when a campaign starts, so that no program can guess it."""
    landscapes: dict[Split, int] = Field(default_factory=dict)
    """Landscapes of each family of a split."""


@dataclass
class MetaProgram:
    """A program of the campaign."""

    id: str
    proposed: ResearcherProposed
    scores: dict[Split, ResearcherEvaluated] = field(default_factory=dict)
    score_ids: dict[Split, str] = field(default_factory=dict)
    """Ids of the events."""
    children: int = 0
    """Programs that genetic operators derived from it. A model reads the best ones for every program that it writes,
    so its programs would take the best ones from the operators."""

    @property
    def genome(self) -> Genome | None:
        """Its parts, if it has any."""
        return None if self.proposed.genome is None else Genome.model_validate(self.proposed.genome)

    def fitness(self, split: Split) -> float | None:
        """Return its fitness on a split; None before, or if it failed."""
        score = self.scores.get(split)
        return score.fitness if score else None


class MetaHistory:
    """What the events of a meta-campaign say, in their order."""

    def __init__(self, log: Iterable[Envelope] = ()) -> None:
        """Read the events so far."""
        self.log: list[Envelope] = []
        self.cause: Envelope
        """The event that the next decision is about: the newest one that is no account of a model."""
        self.started: CampaignStarted | None = None
        self.programs: dict[str, MetaProgram] = {}
        self.vetoed: set[str] = set()
        self.promoted: list[str] = []
        """Programs in the order of their promotions."""
        self.unwritten: dict[str, ProgramFailed] = {}
        """Slots that the model left empty."""
        self.accounts: list[ModelAnswered] = []
        """What the model was asked since `cause`."""
        self.finished = False
        for envelope in log:
            self.apply(envelope)

    def apply(self, envelope: Envelope) -> None:
        """Read the next event."""
        self.log.append(envelope)
        name, event = envelope.experiment, envelope.event
        if isinstance(event, ModelAnswered):
            self.accounts.append(event)
            return
        self.cause, self.accounts = envelope, []
        match event:
            case CampaignStarted():
                self.started = event
            case ProgramFailed(call="write"):
                self.unwritten[name] = event
            case ResearcherProposed():
                self._add(name, event)
            case ResearcherEvaluated() if name in self.programs:
                self.programs[name].scores[event.split] = event
                self.programs[name].score_ids[event.split] = envelope.id
            case ResearcherPromoted():
                self.promoted.append(name)
            case HumanMessage(kind="veto", target=str(target)):
                self.vetoed.add(target)
            case HumanMessage(kind="restore", target=str(target)):
                self.vetoed.discard(target)
            case CampaignFinished():
                self.finished = True
            case _:
                pass

    def _add(self, name: str, event: ResearcherProposed) -> None:
        """Add a program, as a child of those that it was derived from."""
        self.programs[name] = MetaProgram(name, event)
        for parent in set(event.parents) & self.programs.keys():
            self.programs[parent].children += event.operator != "model"

    @property
    def settings(self) -> MetaSettings:
        """What steers the campaign. Raises ValueError if the log does not begin with a meta-campaign."""
        if self.started is None or self.started.space != SPACE:
            raise ValueError("the log does not begin with the start of a meta-campaign")
        return MetaSettings.model_validate(self.started.policy_parameters)

    @property
    def seeds(self) -> Sequence[MetaProgram]:
        """The programs that opened the campaign."""
        return [program for program in self.programs.values() if program.proposed.operator == "seed"]

    @property
    def new(self) -> Sequence[MetaProgram]:
        """The programs that the campaign made."""
        return [program for program in self.programs.values() if program.proposed.operator != "seed"]

    @property
    def has_programmer(self) -> bool:
        """Whether a model writes programs too."""
        return self.started is not None and PROGRAMMER in self.started.models

    def archive(self) -> "Sequence[MetaProgram]":
        """Return the programs that new ones may come from, best first, without copies.

        In the arm `no_archive` these are the seeds alone.
        """
        return best_first(self.seeds if self.settings.arm == "no_archive" else self.distinct(), "search")

    def distinct(self) -> "Sequence[MetaProgram]":
        """Return the programs without those that searched exactly as an earlier one: another text, the same gains."""
        firsts: dict[object, MetaProgram] = {}
        for program in self.programs.values():
            score = program.scores.get("search")
            gains = {name: one.gains for name, one in score.families.items()} if score else {}
            firsts.setdefault(str(sorted(gains.items())) if gains else program.id, program)
        return list(firsts.values())

    @property
    def default(self) -> MetaProgram | None:
        """The program that is the default researcher: the last promoted one that is under no veto."""
        standing = [name for name in self.promoted if name not in self.vetoed]
        return self.programs.get(standing[-1]) if standing else None


def best_first(programs: Iterable[MetaProgram], split: Split) -> Sequence[MetaProgram]:
    """Return the programs with a fitness on a split, best first; of equals, the earlier one."""
    scored: Mapping[str, tuple[float, MetaProgram]] = {
        one.id: (fitness, one) for one in programs if (fitness := one.fitness(split)) is not None
    }
    return [one for _, one in sorted(scored.values(), key=lambda pair: (-pair[0], pair[1].proposed.number))]
