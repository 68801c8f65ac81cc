"""The id of a run, and the merged figures of two runs of one source."""

import pytest

from bus.vocabulary.events import Measure, TaskMetrics
from bus.wire.ids import parse_run_id, run_id
from tests.support.factories import metrics


@pytest.mark.parametrize("experiment", ["e0001", "base-retnet", "base-a-r1", "h-3f2a91c0"])
@pytest.mark.parametrize("attempt", [0, 12])
@pytest.mark.parametrize("shard", [0, 1, 10])
def test_an_id_contains_its_parts(experiment: str, attempt: int, shard: int) -> None:
    """Parsing returns them, whatever the name of the experiment is."""
    assert parse_run_id(run_id(experiment, attempt, shard)) == (experiment, attempt, shard)


def test_only_the_id_of_a_replication_has_a_shard() -> None:
    """So the id of a first run is the same as in old logs."""
    assert (run_id("e0001", 2), run_id("e0001", 2, 1)) == ("e0001-a2", "e0001-a2-r1")
    assert parse_run_id("r") == ("r", 0, 0)


def test_merged_figures_have_the_worse_of_each_measure() -> None:
    """The lower accuracy, the higher loss and the larger standard error are worse."""
    run = metrics(val_loss=1.2, recall=0.9, recall_stderr=0.01)
    replication = metrics(val_loss=1.3, recall=0.95, recall_stderr=0.03)
    for merged in (run.worst_with(replication), replication.worst_with(run)):
        assert (merged.val_loss, merged.recall, merged.recall_stderr) == (1.3, 0.9, 0.03)


def test_a_task_that_one_of_two_runs_lacks_is_left_out() -> None:
    """A single score has no worse one."""
    copying = TaskMetrics(kind="mad.selective_copying", measures={"accuracy": Measure(value=0.5)})
    merged = metrics(further={"copying": copying}).worst_with(metrics())
    assert list(merged.tasks) == ["recall", "text"]
