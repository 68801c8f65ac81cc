"""Quarantine: an experiment whose score is too good, at any position of the log."""

import pytest

from bus.vocabulary.events import RunAnomaly, RunCompleted, TaskScore
from tests.support.scribe import Scribe

SUSPECT = RunAnomaly(run="e0001-a0", kind="too_good", step=9, evidence="too low", action="quarantined")
STOPPED = RunAnomaly(run="e0001-a0", kind="diverged", step=9, evidence="too high")
NAME = "e0001"


def awaiting(scribe: Scribe, at: int = 0) -> tuple[str, ...]:
    """Ask which experiments wait for their analysis."""
    return scribe.peers(NAME, at).awaiting


def completed(run: str, val_loss: float, recall: float) -> RunCompleted:
    """Return the completion of a run; the accuracy on text is the square of the recall."""
    scores = (
        TaskScore(task="recall", kind="mqar", loss=1 - recall, accuracy=recall, stderr=0.01),
        TaskScore(task="text", kind="text", loss=val_loss, accuracy=recall**2, stderr=0.02, bits_per_byte=2 * val_loss),
    )
    return RunCompleted(
        run=run, worker="w", width=8, parameters=10, steps=1, tokens=1, seconds=1.0, step_seconds=0.1,
        flops_per_token=1.0, val_loss=val_loss, bits_per_byte=2 * val_loss, recall=recall, recall_stderr=recall / 10,
        weights="w", weights_sha256="s", curve=(), scores=scores,
    )  # fmt: skip


def quarantine(scribe: Scribe) -> tuple[int, int]:
    """Train an experiment and put it in quarantine; return both positions."""
    scribe.start(baselines=())
    scribe.open(NAME, 0)
    scribe.propose(NAME)
    return scribe.write(NAME, completed("e0001-a0", 1.0, 0.9)), scribe.write(NAME, SUSPECT)


def test_an_experiment_stays_in_quarantine_until_its_analysis(scribe: Scribe) -> None:
    """Whatever its second run does meanwhile; it is ranked once it is analysed."""
    trained, quarantined = quarantine(scribe)
    restarted = scribe.start_run(NAME)
    replicated = scribe.write(NAME, completed("e0001-a0-r1", 1.1, 0.8))
    analysed = scribe.analyse(NAME)
    positions = (trained, quarantined, restarted, replicated, analysed)
    statuses = [scribe.experiment(NAME, at).status for at in positions]
    assert statuses == ["queued", "quarantined", "quarantined", "quarantined", "analysed"]
    assert [scribe.standing(at).ranking for at in positions] == [()] * 4 + [(NAME,)]
    assert [scribe.standing(at).unsettled for at in positions] == [1] * 4 + [0]


def test_only_a_trained_experiment_is_quarantined(scribe: Scribe) -> None:
    """Not one that the monitor stopped, that was never trained, or that has ended."""
    scribe.start(baselines=())
    scribe.open(NAME, 0)
    scribe.write(NAME, STOPPED, SUSPECT)
    assert scribe.experiment(NAME).status == "queued"
    scribe.fail(NAME)
    scribe.write(NAME, SUSPECT)
    assert scribe.experiment(NAME).status == "failed"


def test_after_a_replication_the_worse_of_each_figure_counts(scribe: Scribe) -> None:
    """From the second run on, not before; standard errors are the larger ones."""
    _, quarantined = quarantine(scribe)
    scribe.write(NAME, completed("e0001-a0-r1", 1.05, 0.95))
    before, after = scribe.experiment(NAME, quarantined), scribe.experiment(NAME)
    assert (before.val_loss, before.recall, before.recall_stderr) == (1.0, 0.9, pytest.approx(0.09))
    assert (after.val_loss, after.bits_per_byte, after.recall) == (1.05, 2.1, 0.9)
    assert after.recall_stderr == pytest.approx(0.095)
    scores = {score.task: (score.loss, score.accuracy, score.bits_per_byte) for score in after.scores}
    assert scores == {
        "recall": (pytest.approx(0.1), 0.9, None),
        "text": (1.05, pytest.approx(0.81), 2.1),
    }


def test_only_the_replication_changes_figures(scribe: Scribe) -> None:
    """A second completion of the first run changes none, nor does a third run."""
    quarantine(scribe)
    scribe.write(NAME, completed("e0001-a0", 3.0, 0.1))
    assert scribe.experiment(NAME).val_loss == 1.0
    scribe.write(NAME, completed("e0001-a0-r1", 1.02, 0.9), completed("e0001-a0-r2", 3.0, 0.1))
    assert scribe.experiment(NAME).val_loss == 1.02


@pytest.mark.parametrize("end", ["analysed", "failed"])
def test_an_experiment_awaits_analysis_until_its_quarantine(scribe: Scribe, end: str) -> None:
    """From its training on; its end changes no answer about an earlier position."""
    trained, quarantined = quarantine(scribe)
    before_end = [awaiting(scribe, at) for at in (trained, quarantined)]
    scribe.write(NAME, completed("e0001-a0-r1", 1.1, 0.8))
    scribe.analyse(NAME) if end == "analysed" else scribe.fail(NAME)
    assert before_end == [awaiting(scribe, at) for at in (trained, quarantined)] == [(NAME,), ()]


def test_a_trained_experiment_awaits_analysis_until_it_is_given_up(scribe: Scribe) -> None:
    """Answers about an earlier position still have it."""
    scribe.start(baselines=())
    scribe.open(NAME, 0)
    trained = scribe.complete(NAME)
    scribe.fail(NAME)
    assert [awaiting(scribe, at) for at in (trained, 0)] == [(NAME,), ()]
