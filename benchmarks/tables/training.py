"""Training for the table, as a lab's trainer does it: in the jail, examined, on the lab's default text."""

import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from benchmarks.tables.storage import HASH_DIGITS, LAB_TEXTS
from bus.vocabulary.events import Limits, Metrics, RunRequested
from sandbox import Jail
from trainer import scales
from trainer.run.jail import training_jail
from trainer.run.training_run import TrainingRun, execute_run
from trainer.tasks.corpus import Corpus, load_corpus

TIME_LIMIT_FACTOR = 10.0
"""Multiple of a rung's wall seconds that a run may take: a busy machine should not fail a design."""


@cache
def _jail() -> Jail:
    """Return this process's jail, which lives as long as the process."""
    stack = ExitStack()
    return stack.enter_context(training_jail("bwrap", Path(stack.enter_context(tempfile.TemporaryDirectory()))))


@cache
def corpus_of(rung: str) -> Corpus:
    """Return the text that a lab reads at a rung. Raises ValueError if it is not the table's."""
    corpus = load_corpus(None, *scales.load(rung).text_tasks.values())
    if corpus.sha256[:HASH_DIGITS] != LAB_TEXTS.get(rung):
        raise ValueError(
            f"the table's text at {rung} is {LAB_TEXTS.get(rung)}, and this Python's standard library gives "
            f"{corpus.sha256[:HASH_DIGITS]}; hint: use the Python version that the data card names"
        )
    return corpus


def train(run: str, source: str, rung: str, seed: int) -> tuple[Metrics | None, str]:
    """Train a source as a lab's trainer does; return its metrics, or None and the reason of the failure."""
    scale = scales.load(rung)
    limits = Limits(seconds=scale.seconds * TIME_LIMIT_FACTOR, memory_mb=scale.memory_mb)
    request = RunRequested(run=run, attempt=0, source=source, scale=rung, seed=seed, limits=limits)
    job = TrainingRun(request, scale, corpus_of(rung), _jail(), worker="table")
    ended = execute_run(job, lambda _: None, lambda _: None)
    completed, failed = ended.trained.completed, ended.trained.failed
    if completed:
        return completed.metrics, ""
    return None, failed.reason if failed else "unknown"
