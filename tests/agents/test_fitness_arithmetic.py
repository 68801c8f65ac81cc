"""The arithmetic of a fitness, as `docs/architecture.md` defines it."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.analysis.fitness import (
    Reference,
    benchmark_part,
    counted_judge,
    fitness,
    judge,
    loss_part,
    marked_judge,
    parts,
    reference,
    sigmoid,
    thrift,
)
from bus.vocabulary.events import FitnessParts, TaskScore
from bus.vocabulary.queries import Experiment

losses = st.floats(0.01, 20)
shares = st.floats(0, 1)
amounts = st.floats(0, 1e15)


def scored(**more: object) -> Experiment:
    """Return a completed experiment."""
    known = {
        "id": "e0001",
        "status": "running",
        "val_loss": 1.5,
        "recall": 0.5,
        "parameters": 1000,
        "flops_per_token": 2000.0,
    }
    return Experiment.model_validate(known | more)


def told(**accuracies: float) -> Experiment:
    """Return a completed experiment that lists every task's score: text, and these."""
    kinds = {"recall": "mqar", "text": "text"}
    scores = [
        TaskScore(
            task=task,
            kind=kinds.get(task, "mad.selective_copying"),
            loss=1.0,
            accuracy=accuracy,
            stderr=0.01,
            bits_per_byte=2.0 if task == "text" else None,
        )
        for task, accuracy in {**accuracies, "text": 0.9}.items()
    ]
    return scored(recall=accuracies["recall"], scores=scores)


@given(losses, losses)
def test_the_loss_part_is_half_where_nothing_was_gained_and_rises_with_the_gain(loss: float, mean: float) -> None:
    """σ(6 · clip((L̄ − L) / (0.1 L̄), ±1)): above one half exactly where the loss is lower than the mean."""
    part = loss_part(loss, mean)
    assert 0.0 <= part <= 1.0
    assert (part > 0.5) == (loss < mean) or part == pytest.approx(0.5)


def test_the_loss_part_is_what_the_page_says() -> None:
    """Two per cent below the mean gives σ(1.2); ten and more give σ(6)."""
    assert loss_part(0.98, 1.0) == pytest.approx(1 / (1 + exp(-1.2)))
    assert loss_part(0.90, 1.0) == pytest.approx(1 / (1 + exp(-6)))
    assert loss_part(0.10, 1.0) == pytest.approx(1 / (1 + exp(-6)))
    assert loss_part(9.00, 1.0) == pytest.approx(1 / (1 + exp(6)))


@given(shares, shares)
def test_the_benchmark_part_rises_with_recall(recall: float, mean: float) -> None:
    """σ(6 · clip((r − r̄) / 0.5, ±1)), symmetric about one half."""
    assert benchmark_part(recall, mean) + benchmark_part(mean, recall) == pytest.approx(1.0)


@given(st.floats(-1e6, 1e6))
def test_sigmoid_is_a_probability_and_symmetric(x: float) -> None:
    """σ(x) + σ(−x) = 1, at any size of x."""
    assert 0.0 <= sigmoid(x) <= 1.0
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1.0)


@given(amounts, amounts, amounts)
def test_less_is_thriftier(less: float, more: float, mean: float) -> None:
    """Using less never lowers the part; using what the baselines use gives one half."""
    low, high = sorted((less, more))
    assert thrift(low, mean) >= thrift(high, mean)
    assert thrift(mean, mean) == 0.5


@given(st.floats(-0.5, 1.5), shares, shares, st.integers(0, 10_000))
def test_the_counted_judge_is_a_share(novelty: float, size: float, cost: float, lines: int) -> None:
    """0.4 novelty + 0.2 size + 0.2 cost + 0.2 / (1 + lines / 200) stays within [0, 1]."""
    assert 0.0 <= counted_judge(novelty, size, cost, lines) <= 1.0


def test_the_counted_judge_is_what_the_page_says() -> None:
    """Its four terms, at figures that can be added by hand."""
    assert counted_judge(0.5, 0.5, 0.25, 200) == pytest.approx(0.4 * 0.5 + 0.2 * 0.5 + 0.2 * 0.25 + 0.2 * 0.5)


@given(st.integers(-5, 20), st.integers(-5, 20), st.integers(-5, 20))
def test_marks_give_a_share_however_wild(performance: int, innovation: int, complexity: int) -> None:
    """The weighted mean of marks, moved to [0, 1]; marks outside 1 to 10 count as the nearest of these."""
    assert 0.0 <= marked_judge(performance, innovation, complexity) <= 1.0


def test_the_extremes_of_marks_are_the_extremes_of_the_share() -> None:
    """All ones give 0, all tens give 1."""
    assert marked_judge(1, 1, 1) == pytest.approx(0.0)
    assert marked_judge(10, 10, 10) == pytest.approx(1.0)


@given(shares, shares, shares)
def test_the_fitness_is_the_mean_of_its_parts(loss: float, benchmark: float, judged: float) -> None:
    """Between the least and the greatest part."""
    whole = fitness(FitnessParts(loss=loss, benchmark=benchmark, judge=judged))
    assert whole == pytest.approx((loss + benchmark + judged) / 3)
    assert 0.0 <= whole <= 1.0


def test_the_reference_is_the_mean_over_completed_baselines() -> None:
    """A baseline without a score counts for nothing."""
    rows = [scored(val_loss=1.0, recall=0.2), scored(val_loss=2.0, recall=0.4), scored(val_loss=None, recall=None)]
    recall = pytest.approx(0.3)
    assert reference(rows) == Reference(1.5, recall, {"recall": recall}, 1000, 2000)


def test_the_benchmark_part_is_the_mean_over_all_tasks_but_text() -> None:
    """Each against the baselines' mean on it; with recall alone it is recall's, whether scores are listed or not."""
    baseline, this = told(recall=0.4, copying=0.2), told(recall=0.5, copying=0.6)
    against = reference([baseline])
    assert against is not None
    expected = (benchmark_part(0.5, 0.4) + benchmark_part(0.6, 0.2)) / 2
    assert parts(this, against, 0.5).benchmark == pytest.approx(expected)
    assert [score.task for score in this.secondary_scores] == ["copying"]

    alone = reference([told(recall=0.4)])
    assert alone is not None
    assert alone == reference([scored(recall=0.4)])
    assert parts(told(recall=0.5), alone, 0.5).benchmark == benchmark_part(0.5, 0.4)


def test_without_a_baseline_gains_are_nil() -> None:
    """Where every baseline failed, loss and benchmark are one half, and size and cost are as good as the mean."""
    assert reference([]) is None
    this = scored(novelty=1.0, lines=0)
    found = parts(this, None, judge(this, None))
    assert (found.loss, found.benchmark, found.judge) == (0.5, 0.5, pytest.approx(0.8))
