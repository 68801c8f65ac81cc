"""Training without the jail, as `benchmarks.task_noise` does it, gives the scores of a run in the jail."""

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from benchmarks.task_noise import Bench, collect, read
from sandbox import Jail
from tests.support.tiny_runs import GOOD_SOURCE, execute_source, tiny_scale

SCALE = tiny_scale()


def test_each_task_alone_has_the_scores_of_a_run_in_the_jail(jail: Jail):
    """Losses agree up to the rounding that the examination forgives, accuracies to the last digit."""
    completed = execute_source(jail, scale=SCALE).trained.completed
    assert completed is not None
    for task in SCALE.tasks:
        final = Bench(SCALE).run(task, "good", GOOD_SOURCE, seed=0).final
        loss, accuracy = (fmean(level[at] for level in final) for at in (0, 1))
        assert loss == pytest.approx(completed.metrics.value(task, "loss"), abs=1e-4)
        assert accuracy == pytest.approx(completed.metrics.value(task, "accuracy"), abs=1e-5)


def test_a_run_that_the_file_holds_is_not_repeated(tmp_path: Path):
    """A second collection trains only what the first one lacks."""
    out, trained = tmp_path / "runs.jsonl", list[int]()

    class Counting(Bench):
        def run(self, task: str, design: str, source: str, seed: int):
            trained.append(seed)
            return super().run(task, design, source, seed)

    bench = Counting(replace(SCALE, steps=4))
    for seeds in (1, 2):
        collect(out, bench, ["recall"], {"good": GOOD_SOURCE}, seeds)
    assert trained == [run.seed for run in read(out)] == [0, 1]


def test_an_unknown_task_is_refused():
    """The message lists the tasks."""
    with pytest.raises(ValueError, match=r"there is no task 'chess'; hint: choose of recall, text, "):
        Bench(SCALE).run("chess", "good", GOOD_SOURCE, 0)
