"""Quarantine: an experiment whose score is too good, at any position of the log."""

import pytest

from bus.vocabulary.events import Measure, RunAnomaly, TaskMetrics
from tests.support.factories import metrics
from tests.support.scribe import Scribe

SUSPECT = RunAnomaly(run="e0001-a0", kind="too_good", step=9, evidence="too low", action="quarantined")
STOPPED = RunAnomaly(run="e0001-a0", kind="diverged", step=9, evidence="too high")
NAME = "e0001"


def awaiting(scribe: Scribe, at: int = 0) -> tuple[str, ...]:
    """Ask which experiments wait for their analysis."""
    return scribe.peers(NAME, at).awaiting


def copying(accuracy: float) -> dict[str, TaskMetrics]:
    """Return a third task with an accuracy."""
    return {"copying": TaskMetrics(kind="mad.copying", measures={"accuracy": Measure(value=accuracy)})}


def quarantine(scribe: Scribe) -> tuple[int, int]:
    """Train an experiment and put it in quarantine; return both positions."""
    scribe.start(baselines=())
    scribe.open(NAME, 0)
    scribe.propose(NAME)
    figures = {"val_loss": 1.0, "recall": 0.9, "recall_stderr": 0.01, "further": copying(0.9)}
    return scribe.complete(NAME, **figures), scribe.write(NAME, SUSPECT)


def test_an_experiment_stays_in_quarantine_until_its_analysis(scribe: Scribe) -> None:
    """Whatever its second run does meanwhile; it is ranked once it is analysed."""
    trained, quarantined = quarantine(scribe)
    restarted = scribe.start_run(NAME)
    replicated = scribe.complete(NAME, 1, val_loss=1.1)
    analysed = scribe.analyse(NAME)
    positions = (trained, quarantined, restarted, replicated, analysed)
    statuses = [scribe.experiment(NAME, at).status for at in positions]
    assert statuses == ["queued", "quarantined", "quarantined", "quarantined", "analysed"]
    assert [scribe.status(at).ranking for at in positions] == [()] * 4 + [(NAME,)]
    assert [scribe.status(at).unsettled for at in positions] == [1] * 4 + [0]


def test_only_a_trained_experiment_is_quarantined(scribe: Scribe) -> None:
    """Not one that the monitor stopped, that was never trained, or that has ended."""
    scribe.start(baselines=())
    scribe.open(NAME, 0)
    scribe.write(NAME, STOPPED, SUSPECT)
    assert scribe.experiment(NAME).status == "queued"
    scribe.fail(NAME)
    scribe.write(NAME, SUSPECT)
    assert scribe.experiment(NAME).status == "failed"


def test_after_a_replication_the_worse_of_each_measure_counts(scribe: Scribe) -> None:
    """From the second run on, not before, and on every task; standard errors are the larger ones."""
    _, quarantined = quarantine(scribe)
    second = {"val_loss": 1.05, "recall": 0.95, "recall_stderr": 0.02, "further": copying(0.8)}
    scribe.complete(NAME, 1, **second)
    before, after = scribe.experiment(NAME, quarantined), scribe.experiment(NAME)
    assert (before.val_loss, before.recall, before.recall_stderr) == (1.0, 0.9, 0.01)
    assert (after.val_loss, after.recall, after.recall_stderr) == (1.05, 0.9, 0.02)
    assert before.metrics
    assert after.metrics
    assert before.metrics.value("copying", "accuracy") == 0.9
    assert after.metrics == before.metrics.worst_with(metrics(**second))
    assert after.metrics.value("copying", "accuracy") == 0.8


def test_only_the_replication_changes_figures(scribe: Scribe) -> None:
    """A second completion of the first run changes none, nor does a third run."""
    quarantine(scribe)
    scribe.complete(NAME, val_loss=3.0)
    assert scribe.experiment(NAME).val_loss == 1.0
    scribe.complete(NAME, 1, val_loss=1.02)
    scribe.complete(NAME, 2, val_loss=3.0)
    assert scribe.experiment(NAME).val_loss == 1.02


@pytest.mark.parametrize("end", ["analysed", "failed"])
def test_an_experiment_awaits_analysis_until_its_quarantine(scribe: Scribe, end: str) -> None:
    """From its training on; its end changes no answer about an earlier position."""
    trained, quarantined = quarantine(scribe)
    before_end = [awaiting(scribe, at) for at in (trained, quarantined)]
    scribe.complete(NAME, 1, val_loss=1.1)
    scribe.analyse(NAME) if end == "analysed" else scribe.fail(NAME)
    assert before_end == [awaiting(scribe, at) for at in (trained, quarantined)] == [(NAME,), ()]


def test_a_trained_experiment_awaits_analysis_until_it_is_given_up(scribe: Scribe) -> None:
    """Answers about an earlier position still have it."""
    scribe.start(baselines=())
    scribe.open(NAME, 0)
    trained = scribe.complete(NAME)
    scribe.fail(NAME)
    assert [awaiting(scribe, at) for at in (trained, 0)] == [(NAME,), ()]
