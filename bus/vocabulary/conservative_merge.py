"""What counts of an experiment that was run twice: of every figure the worse one, so that no second draw flatters."""

from typing import Protocol

from bus.vocabulary.events import TaskScore


class RunScores(Protocol):
    """The scores that a run ends with."""

    @property
    def val_loss(self) -> float:
        """Nats per byte."""
        ...

    @property
    def bits_per_byte(self) -> float:
        """The same in bits."""
        ...

    @property
    def recall(self) -> float:
        """Accuracy."""
        ...

    @property
    def recall_stderr(self) -> float:
        """Its standard error."""
        ...


def merge_scores(first: RunScores, second: RunScores) -> dict[str, float]:
    """Return the figures of record by their names, each the worse of two; of the standard errors the larger one."""
    return {
        "val_loss": max(first.val_loss, second.val_loss),
        "bits_per_byte": max(first.bits_per_byte, second.bits_per_byte),
        "recall": min(first.recall, second.recall),
        "recall_stderr": max(first.recall_stderr, second.recall_stderr),
    }


def merge_task_scores(first: tuple[TaskScore, ...], second: tuple[TaskScore, ...]) -> tuple[TaskScore, ...]:
    """Return every task's score by the same rule; a task that only one of them knows is left out."""
    others = {score.task: score for score in second}
    return tuple(_worse_score(score, others[score.task]) for score in first if score.task in others)


def _worse_score(first: TaskScore, second: TaskScore) -> TaskScore:
    bits = [score.bits_per_byte for score in (first, second) if score.bits_per_byte is not None]
    return first.model_copy(
        update={
            "loss": max(first.loss, second.loss),
            "accuracy": min(first.accuracy, second.accuracy),
            "stderr": max(first.stderr, second.stderr),
            "bits_per_byte": max(bits, default=None),
        }
    )
