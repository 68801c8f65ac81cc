"""The arithmetic of a fitness, as `docs/explanation/fitness.md` defines it."""

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
from bus.vocabulary.events import FitnessParts, Measure, TaskMetrics
from bus.vocabulary.queries import Experiment
from tests.support.factories import experiment

LOSSES = st.floats(0.01, 20)
SHARES = st.floats(0, 1)
AMOUNTS = st.floats(0, 1e15)


def scored(**fields: object) -> Experiment:
    """Return a completed experiment."""
    defaults = {"val_loss": 1.5, "recall": 0.5, "parameters": 1000, "flops_per_token": 2000.0}
    return experiment("e0001", "running", **defaults | fields)


def copying(accuracy: float) -> TaskMetrics:
    """Return the score of a further benchmark."""
    return TaskMetrics(kind="mad.selective_copying", measures={"accuracy": Measure(value=accuracy, stderr=0.01)})


@given(LOSSES, LOSSES)
def test_the_loss_part_is_above_half_if_the_loss_is_below_the_mean(loss: float, mean: float) -> None:
    """The loss part is σ(6 · clip((L̄ − L) / (0.1 L̄), ±1)), and one half at the mean."""
    part = loss_part(loss, mean)
    assert 0.0 <= part <= 1.0
    assert (part > 0.5) == (loss < mean) or part == pytest.approx(0.5)


def test_the_loss_part_has_the_documented_values() -> None:
    """Two per cent below the mean gives σ(1.2); ten per cent and more give σ(6)."""
    assert loss_part(0.98, 1.0) == pytest.approx(1 / (1 + exp(-1.2)))
    assert loss_part(0.90, 1.0) == pytest.approx(1 / (1 + exp(-6)))
    assert loss_part(0.10, 1.0) == pytest.approx(1 / (1 + exp(-6)))
    assert loss_part(9.00, 1.0) == pytest.approx(1 / (1 + exp(6)))


@given(SHARES, SHARES)
def test_the_benchmark_part_is_symmetric_about_one_half(recall: float, mean: float) -> None:
    """The benchmark part is σ(6 · clip((r − r̄) / 0.5, ±1))."""
    assert benchmark_part(recall, mean) + benchmark_part(mean, recall) == pytest.approx(1.0)


@given(st.floats(-1e6, 1e6))
def test_sigmoid_is_a_probability_and_symmetric(x: float) -> None:
    """σ(x) + σ(−x) = 1, at any size of x."""
    assert 0.0 <= sigmoid(x) <= 1.0
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1.0)


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_thrift_does_not_fall_if_less_is_used(amount: float, other: float, mean: float) -> None:
    """At the baselines' mean, thrift is one half."""
    low, high = sorted((amount, other))
    assert thrift(low, mean) >= thrift(high, mean)
    assert thrift(mean, mean) == 0.5


@given(st.floats(-0.5, 1.5), SHARES, SHARES, st.integers(0, 10_000))
def test_the_counted_judge_is_a_share(novelty: float, size: float, cost: float, lines: int) -> None:
    """0.4 novelty + 0.2 size + 0.2 cost + 0.2 / (1 + lines / 200) stays within [0, 1]."""
    assert 0.0 <= counted_judge(novelty, size, cost, lines) <= 1.0


def test_the_counted_judge_has_the_documented_value() -> None:
    """The judge part is the sum of four terms."""
    assert counted_judge(0.5, 0.5, 0.25, 200) == pytest.approx(0.4 * 0.5 + 0.2 * 0.5 + 0.2 * 0.25 + 0.2 * 0.5)


@given(st.integers(-5, 20), st.integers(-5, 20), st.integers(-5, 20))
def test_any_marks_give_a_share(performance: int, innovation: int, complexity: int) -> None:
    """The judge part is the weighted mean of the marks, moved to [0, 1]; marks outside 1 to 10 are clipped."""
    assert 0.0 <= marked_judge(performance, innovation, complexity) <= 1.0


def test_the_lowest_marks_give_zero_and_the_highest_give_one() -> None:
    """A mark is between 1 and 10."""
    assert marked_judge(1, 1, 1) == pytest.approx(0.0)
    assert marked_judge(10, 10, 10) == pytest.approx(1.0)


@given(SHARES, SHARES, SHARES)
def test_the_fitness_is_the_mean_of_its_parts(loss: float, benchmark: float, judged: float) -> None:
    """It stays within [0, 1]."""
    mean = fitness(FitnessParts(loss=loss, benchmark=benchmark, judge=judged))
    assert mean == pytest.approx((loss + benchmark + judged) / 3)
    assert 0.0 <= mean <= 1.0


def test_the_reference_is_the_mean_over_completed_baselines() -> None:
    """It leaves out baselines without a score."""
    untrained = Experiment(id="base-b", status="failed")
    rows = [scored(val_loss=1.0, recall=0.2), scored(val_loss=2.0, recall=0.4), untrained]
    recall = pytest.approx(0.3)
    assert reference(rows) == Reference(1.5, recall, {"recall": recall}, 1000, 2000)


def test_the_benchmark_part_is_the_mean_over_all_tasks_except_text() -> None:
    """Each task is compared with the baselines' mean on it; if recall is the only one, the part is that of recall."""
    baseline = scored(recall=0.4, further={"copying": copying(0.2)})
    candidate = scored(recall=0.5, further={"copying": copying(0.6)})
    means = reference([baseline])
    assert means is not None
    expected = (benchmark_part(0.5, 0.4) + benchmark_part(0.6, 0.2)) / 2
    assert parts(candidate, means, 0.5).benchmark == pytest.approx(expected)

    recall_only = reference([scored(recall=0.4)])
    assert recall_only is not None
    assert parts(candidate, recall_only, 0.5).benchmark == benchmark_part(0.5, 0.4)


def test_without_a_scored_baseline_each_comparison_is_level() -> None:
    """The loss part and the benchmark part are one half; size and cost count as equal to the mean."""
    assert reference([]) is None
    candidate = scored(novelty=1.0, lines=0)
    result = parts(candidate, None, judge(candidate, None))
    assert (result.loss, result.benchmark, result.judge) == (0.5, 0.5, pytest.approx(0.8))
