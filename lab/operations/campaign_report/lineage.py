"""The way from a baseline to a design: its ancestors from the log, with what each step gained in the screening."""

from collections.abc import Iterator
from dataclasses import dataclass

from bus.vocabulary.events import ProposalCreated
from lab.operations.campaign_report.logs import CampaignLog


@dataclass(frozen=True, slots=True)
class LineageStep:
    """One design of a lineage."""

    experiment: str
    operator: str
    """How it came from its parent; empty for the first of the line."""
    loss: float | None
    """Text loss of its screening run; None if it has none."""
    gain: float | None
    """Its parent's loss less its own, nats per byte of one seed; None without both."""
    at: int
    """Position of the event with its score, or of its proposal."""


def lineage(log: CampaignLog, experiment: str) -> list[LineageStep]:
    """Return a design and its ancestors, the oldest first; a parent without a proposal in this log ends the line."""
    line = list(_ancestors(log, experiment))[::-1]
    return [_step(log, name, parent) for name, parent in zip(line, [None, *line], strict=False)]


def _ancestors(log: CampaignLog, experiment: str) -> Iterator[str]:
    seen: set[str] = set()
    name: str | None = experiment
    while name and name in log.proposals and name not in seen:
        seen.add(name)
        yield name
        event = log.proposals[name].event
        assert isinstance(event, ProposalCreated)
        name = event.parent


def _step(log: CampaignLog, name: str, parent: str | None) -> LineageStep:
    proposal, run, before = log.proposals[name], log.scored.get(name), log.scored.get(parent or "")
    assert isinstance(proposal.event, ProposalCreated)
    return LineageStep(
        experiment=name,
        operator=proposal.event.operator or proposal.event.origin,
        loss=run.loss if run else None,
        gain=before.loss - run.loss if before and run else None,
        at=(run.at if run else proposal).seq,
    )
