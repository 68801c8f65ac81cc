"""The request for a run: what the trainer is asked to do with an attempt."""

from collections.abc import Sequence
from statistics import median

from agents.analysis.quarantine import replication_seed
from agents.repair.attempt import Attempt
from bus.vocabulary.events import CampaignStarted, Peer, RunRequested
from bus.vocabulary.queries import Experiment
from bus.wire.ids import BASELINE_PREFIX, experiment_id, run_id


def run_request(
    experiment: str, attempt: Attempt, started: CampaignStarted, baselines: Sequence[Experiment], shard: int = 0
) -> RunRequested:
    """Return the request for a run. All runs on a shard have one seed, so that comparisons are paired."""
    return RunRequested(
        run=run_id(experiment, attempt.number, shard),
        attempt=attempt.number,
        source=attempt.source,
        scale=started.scale,
        seed=replication_seed(started.seed, shard) if shard else started.seed,
        shard=shard,
        limits=started.limits,
        data=started.data,
        sandbox=started.sandbox,
        checks_examination=started.checks_examination and not shard and experiment == _first_baseline(started),
        peer=None if experiment.startswith(BASELINE_PREFIX) else peer_of(baselines),
    )


def _first_baseline(started: CampaignStarted) -> str | None:
    return experiment_id(0, started.baselines) if started.baselines else None


def peer_of(baselines: Sequence[Experiment]) -> Peer | None:
    """Return what completed baselines needed and reached, for the live monitor; None before any has completed."""
    seconds = [cost for baseline in baselines if (cost := baseline.cost("step_seconds"))]
    losses = [loss for baseline in baselines if (loss := training_text_loss(baseline)) is not None]
    return Peer(step_seconds=median(seconds), text_loss=min(losses, default=None)) if seconds else None


def training_text_loss(of: Experiment) -> float | None:
    """Return the loss on training text when training ended, nats per byte; None if it was not kept."""
    return of.metrics.training.get("text_loss") if of.metrics else None
