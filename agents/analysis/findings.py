"""What an experiment's figures say in plain words: per task, against parent, siblings and baselines, noise included.

A difference that is smaller than what chance explains is called so. For recall, chance is two standard errors of the
difference; for text loss it is the spread between seeds, since one run can't tell its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from statistics import fmean
from typing import Literal

from agents.analysis.fitness import Reference
from bus.vocabulary.queries import Experiment, Peers

SEED_SPREAD = 0.018
"""Nats per byte by which the same mixer's small byte models were seen to differ between seeds (0.026 bits)."""
STANDARD_ERRORS = 2.0
"""Standard errors that a difference in recall has to exceed."""
Verdict = Literal["better", "worse", "level"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of an experiment beside the same figure of something else."""

    task: Literal["text", "recall"]
    versus: str
    """Whom it is compared with, in words."""
    gain: float
    """Difference with the sign that makes more better: nats per byte lower, or accuracy higher."""
    noise: float
    """What chance explains, in the same unit."""

    @property
    def verdict(self) -> Verdict:
        """Better, worse, or level within the noise."""
        if abs(self.gain) <= self.noise:
            return "level"
        return "better" if self.gain > 0 else "worse"

    def sentence(self, own: float, other: float) -> str:
        """Return the comparison as a sentence with its figures."""
        what, unit = ("Text loss", "nats per byte") if self.task == "text" else ("Recall", "accuracy")
        figures = f"{what} {own:.3f} against {other:.3f} {unit} of {self.versus}"
        if self.verdict == "level":
            return f"{figures}: the difference of {abs(self.gain):.3f} is within the noise ({self.noise:.3f})."
        return f"{figures}: {self.verdict} by {abs(self.gain):.3f}."


def compare_text(this: Experiment, other_loss: float, versus: str) -> Comparison:
    """Return the comparison of text losses, in nats per byte."""
    assert this.val_loss is not None
    return Comparison("text", versus, other_loss - this.val_loss, SEED_SPREAD)


def compare_recall(this: Experiment, other_recall: float, other_stderr: float, versus: str) -> Comparison:
    """Return the comparison of recall accuracies."""
    assert this.recall is not None
    noise = STANDARD_ERRORS * hypot(this.recall_stderr or 0.0, other_stderr)
    return Comparison("recall", versus, this.recall - other_recall, noise)


def against_baselines(this: Experiment, against: Reference, baselines: Sequence[Experiment]) -> tuple[Comparison, ...]:
    """Return the experiment's text and recall beside the baselines' means."""
    versus = f"the mean of {len(baselines)} baselines"
    stderr = hypot(*(b.recall_stderr or 0.0 for b in baselines)) / max(1, len(baselines))
    return compare_text(this, against.val_loss, versus), compare_recall(this, against.recall, stderr, versus)


def findings(peers: Peers, against: Reference | None) -> tuple[str, ...]:
    """Return one sentence for everything worth knowing about a completed experiment."""
    this = peers.this
    lines: list[str] = []
    if against:
        text, recall = against_baselines(this, against, peers.baselines)
        lines.append(text.sentence(this.val_loss or 0.0, against.val_loss))
        lines.append(recall.sentence(this.recall or 0.0, against.recall))
        lines += [_best_baseline(this, peers.baselines), _expense(this, against)]
    else:
        figures = f"Text loss {this.val_loss:.3f} nats per byte, recall {this.recall:.3f}"
        lines.append(f"{figures}; no baseline to compare with.")
    lines += _beside(this, peers.parent, "its parent") if peers.parent else []
    lines += _among_siblings(this, peers.siblings)
    lines += _repairs(this)
    return tuple(line for line in lines if line)


def _beside(this: Experiment, other: Experiment, relation: str) -> list[str]:
    """Return both tasks' comparisons with one other experiment."""
    if other.val_loss is None or other.recall is None or this.val_loss is None or this.recall is None:
        return [f"No scores of {relation} {other.id} to compare with."]
    versus = f"{relation} {other.id}"
    text = compare_text(this, other.val_loss, versus)
    recall = compare_recall(this, other.recall, other.recall_stderr or 0.0, versus)
    return [text.sentence(this.val_loss, other.val_loss), recall.sentence(this.recall, other.recall)]


def _best_baseline(this: Experiment, baselines: Sequence[Experiment]) -> str:
    """Return how the experiment stands beside the baseline with the lowest text loss."""
    best = min((b for b in baselines if b.val_loss is not None), key=lambda b: (b.val_loss, b.id))
    if best.id == this.id:
        return "It has the lowest text loss of the baselines."
    return compare_text(this, best.val_loss or 0.0, f"the best baseline {best.id}").sentence(
        this.val_loss or 0.0, best.val_loss or 0.0
    )


def _expense(this: Experiment, against: Reference) -> str:
    """Return size and cost beside the baselines' means."""
    size = (this.parameters or 0) / against.parameters if against.parameters else 1.0
    cost = (this.flops_per_token or 0.0) / against.flops if against.flops else 1.0
    return f"It uses {size:.2f} times the baselines' parameters and {cost:.2f} times their FLOPs per token."


def _among_siblings(this: Experiment, losses: Sequence[float]) -> list[str]:
    """Return how the experiment ranks among the other children of its parent, by text loss."""
    if not losses or this.val_loss is None:
        return []
    rank = 1 + sum(loss < this.val_loss for loss in losses)
    mean = fmean(losses)
    verdict = compare_text(this, mean, "").verdict
    beside = "level within the noise" if verdict == "level" else f"which it is {verdict} than"
    place = f"Among {len(losses) + 1} children of its parent it ranks {rank} by text loss"
    return [f"{place}; their mean is {mean:.3f}, {beside}."]


def _repairs(this: Experiment) -> list[str]:
    """Return what had to be repaired before it ran."""
    if not this.failures:
        return []
    causes = ", ".join(f"{f.reason} ({f.stage})" for f in this.failures)
    return [f"It ran after {len(this.failures)} repair{'s' if len(this.failures) > 1 else ''}: {causes}."]
