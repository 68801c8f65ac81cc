"""The campaigns of a folder of exported logs, and what each of their experiments reached."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bus.vocabulary.events import CampaignStarted, ProposalCreated, RunCompleted, RunRequested, VerificationCompleted
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, is_tuning_run, parse_run_id
from lab.client.outcomes import ExperimentOutcome, outcomes
from lab.client.trajectories import Trajectory, searches
from lab.operations.ablation_runs import SUFFIX, AblatedDesign, AblationRun, read_runs
from lab.operations.evidence import ClaimStory, stories
from lab.operations.replay import read_history

LOG_SUFFIXES = (".jsonl.gz", ".jsonl")
"""Endings of the names of exported logs."""
TRACES_SUFFIX = ".traces.jsonl"


@dataclass(frozen=True)
class ScoredRun:
    """A completed run on the common data, where the log says so, and what it is a run of."""

    at: Envelope
    """The event RunCompleted."""
    end: RunCompleted
    source: str
    """The source as it ran; empty if the log lacks the request."""

    @property
    def loss(self) -> float:
        """Text loss, nats per byte."""
        return self.end.metrics.val_loss


@dataclass(frozen=True)
class CampaignLog:
    """One campaign of an exported log."""

    file: str
    """Name of the log's file."""
    name: str
    """Name of its page: the file's, with the campaign's id if the file holds several."""
    campaign: str
    started: CampaignStarted
    events: Sequence[Envelope]
    """The campaign's events, oldest first."""
    ablations: Mapping[str, tuple[AblatedDesign, Sequence[AblationRun]]]
    """Kept ablations of its designs, by experiment."""

    @cached_property
    def proposals(self) -> Mapping[str, Envelope]:
        """The proposal of each experiment."""
        return {one.experiment: one for one in self.events if isinstance(one.event, ProposalCreated)}

    @cached_property
    def scored(self) -> Mapping[str, ScoredRun]:
        """The newest completed screening run of each experiment."""
        requests = {one.event.run: one.event.source for one in self.events if isinstance(one.event, RunRequested)}
        return {
            one.experiment: ScoredRun(one, one.event, requests.get(one.event.run, ""))
            for one in self.events
            if isinstance(one.event, RunCompleted) and not parse_run_id(one.event.run).shard
        }

    @cached_property
    def claims(self) -> Sequence[ClaimStory]:
        """The candidates that climbed, in the order in which they began."""
        return [story for story in self._stories if not story.is_placebo]

    @cached_property
    def placebos(self) -> Sequence[ClaimStory]:
        """The baselines that climbed under other names."""
        return [story for story in self._stories if story.is_placebo]

    @cached_property
    def _stories(self) -> Sequence[ClaimStory]:
        return stories(self.events, self.campaign) if self.started.verification else ()

    @cached_property
    def searches(self) -> Sequence[Trajectory]:
        """What each arm tried and found."""
        return searches(self.outcomes, self.name, self.campaign)

    @cached_property
    def outcomes(self) -> Sequence[ExperimentOutcome]:
        """What its events say of costs and results."""
        return outcomes(self.events)

    @property
    def sealed(self) -> Iterator[tuple[Envelope, VerificationCompleted]]:
        """The completed runs on sealed text."""
        return ((one, end) for one, end in self._climbing if not is_tuning_run(end.run))

    @property
    def _climbing(self) -> Iterator[tuple[Envelope, VerificationCompleted]]:
        """The completed runs of all climbs."""
        return ((one, one.event) for one in self.events if isinstance(one.event, VerificationCompleted))

    @property
    def screening_seconds(self) -> float:
        """Seconds of all completed runs on screening text, replications included."""
        ends = (one.event for one in self.events if isinstance(one.event, RunCompleted))
        return sum(end.metrics.cost.get("seconds", 0.0) for end in ends)

    @property
    def verification_seconds(self) -> float:
        """Seconds of all completed runs of climbs: on sealed text, and those that try learning rates."""
        return sum(end.metrics.cost.get("seconds", 0.0) for _, end in self._climbing)

    def best(self, *, baseline: bool) -> str | None:
        """Return the baseline, or the other experiment, with the least text loss in its screening run."""
        names = [name for name in self.scored if name.startswith(BASELINE_PREFIX) == baseline]
        return min(names, key=lambda name: self.scored[name].loss, default=None)

    def design_name(self, experiment: str) -> str:
        """Return the name that an experiment was proposed under; empty if it was not."""
        proposal = self.proposals.get(experiment)
        return proposal.event.name if proposal and isinstance(proposal.event, ProposalCreated) else ""


def read_logs(folder: Path) -> list[CampaignLog]:
    """Return the campaigns of every exported log in a folder, by file name. Raises LabError."""
    files = sorted(file for file in folder.glob("*") if _is_log(file.name))
    kept = [read_runs(file) for file in sorted(folder.glob(f"*{SUFFIX}"))]
    return [log for file in files for log in _campaigns(file, kept)]


def read_log(file: Path) -> list[CampaignLog]:
    """Return the campaigns of one exported log, without their ablations. Raises LabError."""
    return list(_campaigns(file, ()))


def _is_log(name: str) -> bool:
    return name.endswith(LOG_SUFFIXES) and TRACES_SUFFIX not in name and not name.endswith(SUFFIX)


def _campaigns(file: Path, kept: Sequence[tuple[AblatedDesign, Sequence[AblationRun]]]) -> Iterator[CampaignLog]:
    history = read_history(file)
    starts = [(one.campaign, one.event) for one in history if isinstance(one.event, CampaignStarted)]
    stem = next(file.name.removesuffix(suffix) for suffix in LOG_SUFFIXES if file.name.endswith(suffix))
    for campaign, started in starts:
        name = stem if len(starts) == 1 else f"{stem}-{campaign}"
        events = [one for one in history if one.campaign == campaign]
        ablations = {plan.experiment: (plan, runs) for plan, runs in kept if plan.campaign == campaign}
        yield CampaignLog(file.name, name, campaign, started, events, ablations)
