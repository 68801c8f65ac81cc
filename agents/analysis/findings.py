"""Findings: an experiment's figures compared with its parent, siblings and baselines, in sentences.

A difference within the noise is called that. For recall, the noise is two standard errors of the difference. For text
loss it is the spread between seeds, since one run does not show its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from statistics import fmean
from typing import Literal

from agents.analysis.fitness import Reference
from agents.analysis.seed_noise import text_spread
from bus.vocabulary.queries import Experiment, Peers

STANDARD_ERRORS = 2.0
"""Standard errors that a difference in recall has to exceed."""
Verdict = Literal["better", "worse", "level"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of an experiment compared with the same figure of something else."""

    task: Literal["text", "recall"]
    versus: str
    """The other side, in words."""
    gain: float
    """Difference with the sign that makes more better: nats per byte lower, or accuracy higher."""
    noise: float
    """Difference that chance explains, in the same unit."""

    @property
    def verdict(self) -> Verdict:
        """Better, worse, or level within the noise."""
        if abs(self.gain) <= self.noise:
            return "level"
        return "better" if self.gain > 0 else "worse"

    def sentence(self, own: float, other: float) -> str:
        """Return the comparison as a sentence with its figures."""
        measure, unit = ("Text loss", "nats per byte") if self.task == "text" else ("Recall", "accuracy")
        figures = f"{measure} {own:.3f} against {other:.3f} {unit} of {self.versus}"
        if self.verdict == "level":
            return f"{figures}: the difference of {abs(self.gain):.3f} is within the noise ({self.noise:.3f})."
        return f"{figures}: {self.verdict} by {abs(self.gain):.3f}."


def compare_text(this: Experiment, other_loss: float, versus: str) -> Comparison:
    """Return the comparison of text losses, in nats per byte."""
    assert this.val_loss is not None
    return Comparison("text", versus, other_loss - this.val_loss, text_spread())


def compare_recall(this: Experiment, other_recall: float, other_stderr: float, versus: str) -> Comparison:
    """Return the comparison of recall accuracies."""
    assert this.recall is not None
    noise = STANDARD_ERRORS * hypot(this.recall_stderr, other_stderr)
    return Comparison("recall", versus, this.recall - other_recall, noise)


def against_baselines(this: Experiment, against: Reference, baselines: Sequence[Experiment]) -> tuple[Comparison, ...]:
    """Return the experiment's text loss and recall compared with the baselines' means."""
    versus = f"the mean of {len(baselines)} baselines"
    stderr = hypot(*(baseline.recall_stderr for baseline in baselines)) / max(1, len(baselines))
    return compare_text(this, against.val_loss, versus), compare_recall(this, against.recall, stderr, versus)


def findings(peers: Peers, against: Reference | None) -> tuple[str, ...]:
    """Return the findings about a completed experiment, a sentence each."""
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
    lines += _against_parent(this, peers.parent) if peers.parent else []
    lines += _among_siblings(this, peers.siblings)
    lines += _repairs(this)
    return tuple(line for line in lines if line)


def _against_parent(this: Experiment, parent: Experiment) -> list[str]:
    """Return both tasks' comparisons with the parent."""
    if parent.val_loss is None or parent.recall is None or this.val_loss is None or this.recall is None:
        return [f"No scores of its parent {parent.id} to compare with."]
    versus = f"its parent {parent.id}"
    text = compare_text(this, parent.val_loss, versus)
    recall = compare_recall(this, parent.recall, parent.recall_stderr, versus)
    return [text.sentence(this.val_loss, parent.val_loss), recall.sentence(this.recall, parent.recall)]


def _best_baseline(this: Experiment, baselines: Sequence[Experiment]) -> str:
    """Return the comparison with the baseline of the lowest text loss."""
    best = min((b for b in baselines if b.val_loss is not None), key=lambda b: (b.val_loss, b.id))
    if best.id == this.id:
        return "It has the lowest text loss of the baselines."
    return compare_text(this, best.val_loss or 0.0, f"the best baseline {best.id}").sentence(
        this.val_loss or 0.0, best.val_loss or 0.0
    )


def _expense(this: Experiment, against: Reference) -> str:
    """Return size and cost as multiples of the baselines' means."""
    size = (this.parameters or 0) / against.parameters if against.parameters else 1.0
    cost = (this.cost("flops_per_token") or 0.0) / against.flops if against.flops else 1.0
    return f"It uses {size:.2f} times the baselines' parameters and {cost:.2f} times their FLOPs per token."


def _among_siblings(this: Experiment, losses: Sequence[float]) -> list[str]:
    """Return how the experiment ranks among the other children of its parent, by text loss."""
    if not losses or this.val_loss is None:
        return []
    rank = 1 + sum(loss < this.val_loss for loss in losses)
    mean = fmean(losses)
    verdict = compare_text(this, mean, "").verdict
    relation = "level within the noise" if verdict == "level" else f"which it is {verdict} than"
    place = f"Among {len(losses) + 1} children of its parent it ranks {rank} by text loss"
    return [f"{place}; their mean is {mean:.3f}, {relation}."]


def _repairs(this: Experiment) -> list[str]:
    """Return the repairs before it ran."""
    if not this.failures:
        return []
    causes = ", ".join(f"{f.reason} ({f.stage})" for f in this.failures)
    return [f"It ran after {len(this.failures)} repair{'s' if len(this.failures) > 1 else ''}: {causes}."]
