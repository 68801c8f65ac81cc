"""The way from a baseline to a design: its ancestors from the logs, with what each step gained in the screening.

A design that an earlier campaign handed on (`--prior`) continues the line of that campaign, if its log is there too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bus.vocabulary.events import ProposalCreated
from lab.operations.campaign_report.logs import CampaignLog

PRIOR_OPERATOR = "prior"
"""Operator of designs that an earlier campaign handed on."""


@dataclass(frozen=True, slots=True)
class LineageStep:
    """One design of a lineage."""

    log: CampaignLog
    """The campaign that it belongs to."""
    experiment: str
    operator: str
    """How it came from its parent; empty for the first of the line."""
    loss: float | None
    """Text loss of its screening run; None if it has none."""
    gain: float | None
    """Its parent's loss less its own, nats per byte of one seed; None without both."""
    at: int
    """Position of the event with its score, or of its proposal."""


def lineage(log: CampaignLog, experiment: str, logs: Sequence[CampaignLog] = ()) -> list[LineageStep]:
    """Return a design and its ancestors, the oldest first; `logs` are those of all campaigns.

    A parent without a proposal in its log ends the line.
    """
    line = list(_ancestors(log, experiment))[::-1]
    steps = [_step(log, name, parent) for name, parent in zip(line, [None, *line], strict=False)]
    others = [one for one in logs if one is not log]
    for earlier in others:
        if source := _handed_on(log, line[0], earlier):
            return [*lineage(earlier, source, [one for one in others if one is not earlier]), *steps]
    return steps


def _handed_on(log: CampaignLog, experiment: str, earlier: CampaignLog) -> str | None:
    """Return the experiment of an earlier campaign that this one entered again; None if it is none of its."""
    event = log.proposals[experiment].event
    if not isinstance(event, ProposalCreated) or event.operator != PRIOR_OPERATOR:
        return None
    sources = (prior.source.split() for prior in log.started.prior if prior.design == event.design)
    found = (name for campaign, name in sources if campaign == earlier.campaign and name in earlier.proposals)
    return next(found, None)


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
        log=log,
        experiment=name,
        operator=proposal.event.operator or proposal.event.origin,
        loss=run.loss if run else None,
        gain=before.loss - run.loss if before and run else None,
        at=(run.at if run else proposal).seq,
    )
