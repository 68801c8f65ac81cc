"""Results too good to count at once: which they are, the second run they are asked for, and what bears them out.

A score that no honest design is known to reach is put aside (RunAnomaly `too_good`) until the same source, on another
seed and another shard of the data, comes near it. Only the loss on text is suspected: perfect recall is honest. Both
thresholds stand outside what `python -m benchmarks.reruns` finds of honest designs (`docs/benchmarks.md`).
"""

from collections.abc import Sequence

from bus.vocabulary.events import TOO_GOOD, CodeFailed, RunAnomaly
from bus.vocabulary.queries import Experiment
from bus.wire.ids import BASELINE_PREFIX, derive, run_id

MIN_HONEST_LOSS_RATIO = 0.9
"""A loss on text below this share of the best baseline's is too good: what the live monitor doubts in a young run."""
REPLICATION_TOLERANCE = 0.06
"""Share of the first loss by which the second may lie above it and still bear it out: (1 + NOISE) * HONEST is below 1,
so that what is borne out still beats every baseline."""
FIRST_REPLICATION_SHARD = 1
"""The shard of the first second run; a run that a veto stopped in between is followed by one on the next."""


def find_suspicion(this: Experiment, baselines: Sequence[Experiment]) -> RunAnomaly | None:
    """Return why a completed experiment is quarantined; None where it is not, as a human design never is."""
    losses = [b.val_loss for b in baselines if b.val_loss is not None]
    if this.id.startswith(BASELINE_PREFIX) or not losses or this.val_loss is None:
        return None
    best, honest = min(losses), MIN_HONEST_LOSS_RATIO * min(losses)
    if this.val_loss >= honest:
        return None
    evidence = (
        f"text loss {this.val_loss:.3f} nats per byte; the best baseline's is {best:.3f}, "
        f"and no honest design is known below {honest:.3f}"
    )
    step = max((point.step for point in this.curve), default=0)
    run = run_id(this.id, this.attempt)
    return RunAnomaly(run=run, kind=TOO_GOOD, step=step, evidence=evidence, action="quarantined")


def replication_seed(seed: int, shard: int) -> int:
    """Return the seed of a run on a shard: another one than the campaign's, the same for all that are quarantined."""
    return int(derive(seed, "shard", shard)[:8], 16)


def is_replicated(first: float, second: float) -> bool:
    """Say whether a second run's loss comes near the first's, both in nats per byte; a lower one does."""
    return second <= (1 + REPLICATION_TOLERANCE) * first


def replication_finding(first: float, second: float) -> str:
    """Return the finding of a quarantined experiment whose second run bears it out."""
    return (
        f"Too good to count at once, it was run again on another seed and other data: text loss {second:.3f} after "
        f"{first:.3f} nats per byte; of every figure the worse one counts."
    )


def replication_failure(this: Experiment, first: float, second: float) -> CodeFailed:
    """Return the end of a quarantined experiment whose second run does not bear it out."""
    message = (
        f"text loss {second:.3f} nats per byte on another seed and other data, after {first:.3f}: "
        f"more than {REPLICATION_TOLERANCE:.0%} above it"
    )
    return CodeFailed(attempt=this.attempt, stage="evaluate", reason="not_reproduced", message=message, final=True)
