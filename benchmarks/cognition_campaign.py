"""Simulated keyless campaigns that count the papers which led to something tried.

Director, researcher, engineer, analyst, memory and the sentence model are the lab's own; only the training is replaced.
Its scores follow from the design by a plain additive model with the noise of seeds, so that weaknesses differ as in a
real campaign. A paper led to something if a proposal read it and has a unit of it that its parent lacks.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from agents.design import BASELINES, Design, unit_labels
from agents.roles.analyst import AnalystSettings
from agents.roles.director import DirectorSettings
from agents.roles.researcher import ResearcherSettings
from agents.search.two_tier import TwoTier
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignStarted,
    CurvePoint,
    Limits,
    ProposalCreated,
    RunRequested,
    RunStarted,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import derive
from memory.cognition import load_entries
from memory.retrieval.embedding import Embedder
from tests.support import archive, instant_trainer
from tests.support.archive import Archive
from tests.support.factories import run_completed
from tests.support.simulation import Faults, Laboratory, caching
from trainer.run.questions import Prepared, Trained

SEED_NOISE = 0.018
"""Standard deviation of a text loss over seeds, in nats per byte."""
UNIT_EFFECT = 0.02
"""Standard deviation of what a unit adds to the text loss."""
LOCAL = ("entry:shift", "entry:convolution", "convolution:qkv", "convolution:qk", "convolution:kv", "convolution:k")
DEAR = ("path:window", "path:convolution", "inner:double")
STEPS = 20


@contextmanager
def simulated(embedder: Embedder) -> Iterator[Archive]:
    """Return an empty log and memory whose trainer computes scores from designs."""
    with (
        tempfile.TemporaryDirectory() as folder,
        caching(),
        patch.object(archive, "HashEmbedder", lambda: embedder),
        patch.object(instant_trainer, "prepare", _prepare),
    ):
        yield Archive(Path(folder))


def campaign(
    log: Archive, name: str, seed: int, experiments: int, roles: Mapping[str, Mapping[str, object]]
) -> list[Envelope]:
    """Run a campaign to its end and return its events; `roles` are settings that differ from the defaults."""
    defaults = {"director": DirectorSettings(), "researcher": ResearcherSettings(), "analyst": AnalystSettings()}
    settings = {role: one.model_dump(mode="json") | dict(roles.get(role, {})) for role, one in defaults.items()}
    started = CampaignStarted(
        goal="a causal linear-time token mixer that recalls well", seed=seed, scale="nano", experiments=experiments,
        slots=2, baselines=tuple(BASELINES), limits=Limits(seconds=60.0, memory_mb=900), policy="two_tier",
        policy_parameters=TwoTier.sized_for(experiments, len(BASELINES)).model_dump(mode="json"), roles=settings,
    )  # fmt: skip
    laboratory = Laboratory(log, name, random.Random(seed), Faults())
    designs = _Designs(laboratory)
    with patch.object(instant_trainer, "train", designs.train):
        laboratory.start(started)
        laboratory.run()
    return laboratory.log


class _Designs:
    """Trains a design: its scores depend on its units and on the seed."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    def train(self, envelope: Envelope, **_: bool) -> Trained:
        """Return the scores of the newest design of an experiment."""
        request = envelope.event
        assert isinstance(request, RunRequested)
        events = (one.event for one in self._laboratory.log if one.experiment == envelope.experiment)
        designs = [event.design for event in events if isinstance(event, ProposalCreated)]
        units = unit_labels(Design.from_json(designs[0])) if designs and designs[0] else ()
        draw = random.Random(derive(request.source, request.seed))
        effects = [random.Random(derive(unit, "effect")).gauss(0, UNIT_EFFECT) for unit in units]
        loss = 2.4 + sum(effects) + draw.gauss(0, SEED_NOISE)
        recall = min(0.99, max(0.02, draw.gauss(0.9 if set(units) & set(LOCAL) else 0.25, 0.15)))
        flops = 80_000.0 * (
            1 + 0.25 * sum(unit in ("path:window", "path:convolution", "inner:double") for unit in units)
        )
        completed = run_completed(
            request.run, val_loss=loss, recall=recall, flops_per_token=flops, curve=_curve(draw, loss),
            train_loss=loss - abs(draw.gauss(0, 0.08)),
        )  # fmt: skip
        return Trained(completed=completed)


def _curve(draw: random.Random, end: float) -> tuple[CurvePoint, ...]:
    """Return a falling curve with a plateau, a spike or a late fall now and then."""
    rate, spike = draw.uniform(1, 8), draw.randrange(STEPS * 4)
    losses = (end + 3 * 2.718 ** (-rate * step / STEPS) + 0.6 * (step == spike) for step in range(STEPS))
    return tuple(CurvePoint(task="text", step=step, loss=loss) for step, loss in enumerate(losses))


def _prepare(envelope: Envelope, **_: bool) -> Prepared:
    request = envelope.event
    assert isinstance(request, RunRequested)
    return Prepared(started=RunStarted(run=request.run, worker="simulated", width=64, parameters=100_000, gates=()))


def figures(log: Sequence[Envelope]) -> dict[str, object]:
    """Return how many papers were retrieved, read and led to a unit tried, and the largest share of one."""
    units = {entry.key: frozenset(entry.units) for entry in load_entries()}
    proposals = {e.experiment: e.event for e in log if isinstance(e.event, ProposalCreated)}
    analyses = [e.event for e in log if isinstance(e.event, AnalysisReady)]
    guided = [one for one in proposals.values() if one.origin == "genetic"]
    read = Counter(key for one in guided for key in one.cognition)
    led = Counter(key for one in guided for key in one.cognition if units[key] & _new_units(one, proposals))
    leading = sum(any(units[key] & _new_units(one, proposals) for key in one.cognition) for one in guided)
    return {
        "proposals": len(guided), "problems": len({one.problem for one in analyses}),
        "papers_retrieved": len({key for one in analyses for key in one.cognition}), "papers_read": len(read),
        "papers_led_to_a_unit": len(led), "proposals_led": leading,
        "largest_share": round(max(read.values(), default=0) / max(1, sum(bool(o.cognition) for o in guided)), 3),
        "weaknesses": dict(Counter(one.problem.split()[0].strip(":") for one in analyses)),
    }  # fmt: skip


def _new_units(proposal: ProposalCreated, proposals: Mapping[str, ProposalCreated]) -> frozenset[str]:
    """Return the units of a proposal that its parent lacks."""
    parent = proposals.get(proposal.parent or "")
    own, other = (
        frozenset(unit_labels(Design.from_json(one.design))) if one and one.design else frozenset()
        for one in (proposal, parent)
    )
    return own - other
