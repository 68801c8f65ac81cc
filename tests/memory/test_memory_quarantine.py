"""What memory holds of a result that is too good to count at once, at any position of the log."""

import pytest

from bus.vocabulary.events import RunAnomaly, RunCompleted, TaskScore
from bus.vocabulary.queries import AskExperiments, AskPeers, Experiment, Experiments, Peers
from memory.answers import answer
from tests.memory.conftest import Scribe

SEEN = RunAnomaly(run="e0001-a0", kind="too_good", step=9, evidence="too low", action="quarantined")
STOPPED = RunAnomaly(run="e0001-a0", kind="diverged", step=9, evidence="too high")
NAME = "e0001"


def one(scribe: Scribe, at: int = 0) -> Experiment:
    """Ask for the experiment, whole."""
    reply = answer(scribe.store, None, None, AskExperiments(ids=(NAME,), at=at))
    assert isinstance(reply, Experiments)
    return reply.rows[0]


def awaiting(scribe: Scribe, at: int = 0) -> tuple[str, ...]:
    """Ask what waits for its analysis."""
    reply = answer(scribe.store, None, None, AskPeers(experiment=NAME, at=at))
    assert isinstance(reply, Peers)
    return reply.awaiting


def completed(run: str, val_loss: float, recall: float) -> RunCompleted:
    """Return a run's scores; the text's accuracy is the recall's square."""
    scores = (
        TaskScore(task="recall", kind="mqar", loss=1 - recall, accuracy=recall, stderr=0.01),
        TaskScore(task="text", kind="text", loss=val_loss, accuracy=recall**2, stderr=0.02, bits_per_byte=2 * val_loss),
    )
    return RunCompleted(
        run=run, worker="w", width=8, parameters=10, steps=1, tokens=1, seconds=1.0, step_seconds=0.1,
        flops_per_token=1.0, val_loss=val_loss, bits_per_byte=2 * val_loss, recall=recall, recall_stderr=recall / 10,
        weights="w", weights_sha256="s", curve=(), scores=scores,
    )  # fmt: skip


def suspect(scribe: Scribe) -> tuple[int, int]:
    """Let an experiment be trained and put aside; return both positions."""
    scribe.start(baselines=())
    scribe.open(NAME, 0)
    scribe.propose(NAME)
    return scribe.say(NAME, completed("e0001-a0", 1.0, 0.9)), scribe.say(NAME, SEEN)


def test_it_is_quarantined_until_its_end(scribe: Scribe) -> None:
    """Whatever its second run does meanwhile; and it ranks only once it is analysed."""
    trained, seen = suspect(scribe)
    begun = scribe.begin(NAME)
    again = scribe.say(NAME, completed("e0001-a0-r1", 1.1, 0.8))
    done = scribe.analyse(NAME)
    moments = (trained, seen, begun, again, done)
    statuses = [one(scribe, at).status for at in moments]
    assert statuses == ["queued", "quarantined", "quarantined", "quarantined", "analysed"]
    assert [scribe.standing(at).ranking for at in moments] == [()] * 4 + [(NAME,)]
    assert [scribe.standing(at).unsettled for at in moments] == [1] * 4 + [0]


def test_what_the_monitor_stopped_is_in_no_quarantine(scribe: Scribe) -> None:
    """Nor is what was never trained, or has ended."""
    scribe.start(baselines=())
    scribe.open(NAME, 0)
    scribe.say(NAME, STOPPED, SEEN)
    assert one(scribe).status == "queued"
    scribe.fail(NAME)
    scribe.say(NAME, SEEN)
    assert one(scribe).status == "failed"


def test_of_every_figure_the_worse_one_counts(scribe: Scribe) -> None:
    """From the second run on, and never before; standard errors are the larger ones."""
    _, seen = suspect(scribe)
    scribe.say(NAME, completed("e0001-a0-r1", 1.05, 0.95))
    before, after = one(scribe, seen), one(scribe)
    assert (before.val_loss, before.recall, before.recall_stderr) == (1.0, 0.9, pytest.approx(0.09))
    assert (after.val_loss, after.bits_per_byte, after.recall) == (1.05, 2.1, 0.9)
    assert after.recall_stderr == pytest.approx(0.095)
    told = {score.task: (score.loss, score.accuracy, score.bits_per_byte) for score in after.scores}
    assert told == {
        "recall": (pytest.approx(0.1), 0.9, None),
        "text": (1.05, pytest.approx(0.81), 2.1),
    }


def test_only_a_second_run_of_a_quarantined_experiment_counts(scribe: Scribe) -> None:
    """A first run told twice changes no figure, nor does a third run."""
    suspect(scribe)
    scribe.say(NAME, completed("e0001-a0", 3.0, 0.1))
    assert one(scribe).val_loss == 1.0
    scribe.say(NAME, completed("e0001-a0-r1", 1.02, 0.9), completed("e0001-a0-r2", 3.0, 0.1))
    assert one(scribe).val_loss == 1.02


@pytest.mark.parametrize("how", ["analysed", "failed"])
def test_what_waited_then_is_known_ever_after(scribe: Scribe, how: str) -> None:
    """It waits for its analysis from its training to its quarantine, however it ends and whenever that is asked."""
    trained, seen = suspect(scribe)
    then = [awaiting(scribe, at) for at in (trained, seen)]
    scribe.say(NAME, completed("e0001-a0-r1", 1.1, 0.8))
    scribe.analyse(NAME) if how == "analysed" else scribe.fail(NAME)
    assert then == [awaiting(scribe, at) for at in (trained, seen)] == [(NAME,), ()]


def test_a_trained_experiment_that_was_given_up_had_waited(scribe: Scribe) -> None:
    """Asked about the time before its end, memory has not forgotten that it waited."""
    scribe.start(baselines=())
    scribe.open(NAME, 0)
    trained = scribe.complete(NAME)
    scribe.fail(NAME)
    assert [awaiting(scribe, at) for at in (trained, 0)] == [(NAME,), ()]
