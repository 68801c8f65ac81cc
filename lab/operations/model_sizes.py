"""What the models of a claim cost: parameters, state, FLOPs and tokens of the candidate and of each baseline.

Only parameters and tokens are matched in a claim; the rest is for the reader to judge.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from agents.design.state_size import state_size
from agents.design.tree import Design
from agents.verification.requests import design_of
from bus.vocabulary.events import ProposalCreated, VerificationCompleted
from bus.wire.envelope import Envelope
from bus.wire.ids import verification_run_id
from lab.operations.evidence import ClaimStory
from trainer import scales


def model_state(log: Sequence[Envelope], experiment: str, scale: str, width: int) -> int | None:
    """Return the numbers that a model of an experiment carries from token to token; None if it has no design."""
    proposals = (one.event for one in log if one.experiment == experiment and isinstance(one.event, ProposalCreated))
    design = next((proposal.design for proposal in proposals), None)
    try:
        shape = scales.load(scale).shape
        return shape.layers * state_size(Design.from_json(design), width, shape.n_heads)
    except ValueError:
        return None


def size_rows(story: ClaimStory) -> Iterator[dict[str, Any]]:
    """Yield what a model of the candidate and of each baseline costs at every rung that was tried: its first run's."""
    step = story.newest
    ends = {one.event.run: one.event.metrics for one in story.log if isinstance(one.event, VerificationCompleted)}
    for number, name in enumerate(story.plan.rung_names[: step.rung + 1]):
        rung = story.plan.rungs[number]
        for experiment in (story.candidate, *step.baselines):
            runs = (verification_run_id(experiment, number, k) for k in range(rung.looks[-1]))
            if metrics := next((ends[run] for run in runs if run in ends), None):
                parameters, width = metrics.size["parameters"], metrics.size["width"]
                yield {
                    "rung": name,
                    "experiment": experiment,
                    "parameters": parameters,
                    "of_budget": round(parameters / rung.parameters - 1, 4) if rung.parameters else None,
                    "state": model_state(story.log, design_of(experiment, step), rung.scale, width),
                    "flops_per_token": metrics.cost.get("flops_per_token"),
                    "tokens": metrics.cost.get("tokens"),
                }
