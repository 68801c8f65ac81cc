"""Quarantine: results too good to count at once, and the replication that confirms or refutes them.

A text loss that no honest design is known to reach puts the experiment in quarantine (RunAnomaly `too_good`). It
counts once a second run of the same source, on another seed and another shard of the data, comes near it. Recall is
never suspected: perfect recall is honest. Both thresholds lie outside what `python -m benchmarks.reruns` finds for
honest designs (`docs/benchmarks.md`).
"""

from collections.abc import Sequence

from bus.vocabulary.events import TOO_GOOD, CodeFailed, RunAnomaly
from bus.vocabulary.queries import Experiment
from bus.wire.ids import BASELINE_PREFIX, derive, run_id

MIN_HONEST_LOSS_RATIO = 0.9
"""A text loss below this share of the best baseline's is too good; the live monitor
doubts a young run at the same share."""
REPLICATION_TOLERANCE = 0.06
"""Share of the first loss by which the second may exceed it. (1 + 0.06) * 0.9 is below 1, so a confirmed
result still beats every baseline."""
FIRST_REPLICATION_SHARD, LAST_REPLICATION_SHARD = 1, 3
"""Shards of replications. One that a withdrawn veto stopped is repeated on the next shard, but not without end."""


def max_runs(attempts: int) -> int:
    """Return how often an experiment is run at most, whatever fails: every attempt once, and the replications."""
    return 1 + attempts + LAST_REPLICATION_SHARD


def find_suspicion(this: Experiment, baselines: Sequence[Experiment]) -> RunAnomaly | None:
    """Return why a completed experiment goes into quarantine; None if it does not, as no human design does."""
    losses = [baseline.val_loss for baseline in baselines if baseline.val_loss is not None]
    if this.id.startswith(BASELINE_PREFIX) or not losses or this.val_loss is None:
        return None
    best, honest = min(losses), MIN_HONEST_LOSS_RATIO * min(losses)
    if this.val_loss >= honest:
        return None
    evidence = (
        f"text loss {this.val_loss:.3f} nats per byte; the best baseline's is {best:.3f}, "
        f"and no honest design is known below {honest:.3f}"
    )
    run = run_id(this.id, this.attempt)  # step 0: the anomaly is in the score, not at a step of the training
    return RunAnomaly(run=run, kind=TOO_GOOD, step=0, evidence=evidence, action="quarantined")


def replication_seed(seed: int, shard: int) -> int:
    """Return the seed of runs on a shard: another one than the campaign's, the same for all experiments."""
    return int(derive(seed, "shard", shard)[:8], 16)


def is_replicated(first: float, second: float) -> bool:
    """Tell whether a replication's loss comes near the first, both in nats per byte. A lower one does."""
    return second <= (1 + REPLICATION_TOLERANCE) * first


def replication_finding(first: float, second: float) -> str:
    """Return the finding for a quarantined experiment that a replication confirmed."""
    return (
        f"Too good to count at once, it was run again on another seed and other data: text loss {second:.3f} after "
        f"{first:.3f} nats per byte; of every figure the worse one counts."
    )


def replication_failure(this: Experiment, first: float, second: float) -> CodeFailed:
    """Return the end of a quarantined experiment that a replication refuted."""
    message = (
        f"text loss {second:.3f} nats per byte on another seed and other data, after {first:.3f}: "
        f"more than {REPLICATION_TOLERANCE:.0%} above it"
    )
    return CodeFailed(attempt=this.attempt, stage="evaluate", reason="not_reproduced", message=message, final=True)
