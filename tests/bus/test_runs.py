"""Ids of runs, and the score of two runs of one source."""

import pytest

from bus.vocabulary.conservative_merge import merge_task_scores
from bus.vocabulary.events import TaskScore
from bus.wire.ids import parse_run_id, run_id


@pytest.mark.parametrize("experiment", ["e0001", "base-retnet", "base-a-r1", "h-3f2a91c0"])
@pytest.mark.parametrize("attempt", [0, 12])
@pytest.mark.parametrize("shard", [0, 1, 10])
def test_the_parts_of_a_run_id_are_parsed_back(experiment: str, attempt: int, shard: int) -> None:
    """For any name of the experiment."""
    assert parse_run_id(run_id(experiment, attempt, shard)) == (experiment, attempt, shard)


def test_an_id_names_the_shard_unless_it_is_0() -> None:
    """So run ids of older logs stay valid."""
    assert (run_id("e0001", 2), run_id("e0001", 2, 1)) == ("e0001-a2", "e0001-a2-r1")
    assert parse_run_id("r") == ("r", 0, 0)


def test_a_task_that_one_of_two_runs_lacks_has_no_score() -> None:
    """There is no second score to compare with."""
    text = TaskScore(task="text", kind="text", loss=1.0, accuracy=0.5, stderr=0.1, bits_per_byte=1.5)
    recall = text.model_copy(update={"task": "recall"})
    assert merge_task_scores((text, recall), (text,)) == (text,)
