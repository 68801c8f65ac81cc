"""Figures derived from experiments: ranks, the best, lineage, and their edge cases."""

from collections.abc import Callable

import pytest

from bus.vocabulary.events import FitnessParts
from bus.vocabulary.queries import Experiment, Status
from dashboard.report.scores import Scores, display_name, title
from dashboard.report.summary import duration_text


def experiment(id_: str, fitness: float | None = None, status: Status = "analysed", **fields: object) -> Experiment:
    """Return an experiment with a fitness."""
    parts = FitnessParts(loss=0.5, benchmark=0.5, judge=0.5)
    return Experiment.model_validate({"id": id_, "status": status, "fitness": fitness, "parts": parts, **fields})


def test_ranks_are_in_the_order_of_fitness() -> None:
    """Equal scores keep the order of opening."""
    scores = Scores([experiment("e1", 0.5), experiment("e2", 0.7), experiment("e3", 0.5)])
    assert scores.rank == {"e2": 1, "e1": 2, "e3": 3}


def test_a_vetoed_experiment_has_no_rank_and_is_not_the_best() -> None:
    """A veto takes an experiment out of the ranking."""
    scores = Scores([experiment("e1", 0.9, vetoed=True), experiment("e2", 0.7)])
    assert scores.rank == {"e2": 1}
    assert scores.best is scores.experiments[1]


def test_a_baseline_is_never_the_best_candidate() -> None:
    """A baseline with the highest fitness is the best baseline only."""
    scores = Scores([experiment("base-gla", 0.9), experiment("e1", 0.6)])
    assert scores.best is scores.experiments[1]
    assert scores.best_baseline is scores.experiments[0]
    assert scores.gain is not None
    assert round(scores.gain, 9) == -0.3


def test_a_vetoed_baseline_is_not_the_best_baseline() -> None:
    """Differences are those to the best baseline that ranks, as on the dashboard."""
    scores = Scores([experiment("base-gla", 0.9, vetoed=True), experiment("base-delta", 0.5), experiment("e1", 0.6)])
    assert scores.best_baseline is scores.experiments[1]
    assert scores.gain == pytest.approx(0.1)
    assert Scores(scores.experiments[:1]).best_baseline is None


def test_running_best_holds_only_records_of_candidates() -> None:
    """A baseline, a vetoed experiment and a lower score are no record."""
    experiments = [experiment("base-gla", 0.8), experiment("e1", 0.3), experiment("e2", 0.2), experiment("e3", 0.5)]
    assert Scores([*experiments, experiment("e4", 0.9, vetoed=True)]).running_best == [(1, 0.3), (3, 0.5)]


def test_the_lineage_omits_unknown_and_later_parents() -> None:
    """So it has no cycle."""
    experiments = [
        experiment("e1", parent_id="e2"),
        experiment("e2", parent_id="e1"),
        experiment("e3", parent_id="gone"),
    ]
    scores = Scores(experiments)
    assert scores.parent == {"e2": "e1"}
    assert scores.ancestors(experiments[1]) == ["e2", "e1"]


def test_an_empty_campaign_has_no_best() -> None:
    """Without experiments every figure is None or empty."""
    scores = Scores([])
    assert (scores.best, scores.best_baseline, scores.gain, scores.reading_order, scores.running_best) == (
        None,
        None,
        None,
        [],
        [],
    )


def test_colours_are_fifths_of_the_ranking() -> None:
    """The best fifth has the strongest colour, and an experiment without fitness has none."""
    scores = Scores([*(experiment(f"e{i}", i / 10) for i in range(10)), experiment("e10", None, "failed")])
    assert [scores.colour_class(e) for e in scores.experiments] == [
        "f0",
        "f0",
        "f1",
        "f1",
        "f2",
        "f2",
        "f3",
        "f3",
        "f4",
        "f4",
        "none",
    ]


def test_reading_order_goes_by_status() -> None:
    """Ranked experiments come first; then running, quarantined, queued, failed and rejected ones."""
    kinds: list[tuple[str, Status]] = [
        ("a", "rejected"), ("b", "failed"), ("c", "queued"), ("q", "quarantined"), ("d", "running"),
    ]  # fmt: skip
    scores = Scores([*(experiment(name, None, status) for name, status in kinds), experiment("e", 0.4)])
    assert [e.id for e in scores.reading_order] == ["e", "d", "q", "c", "b", "a"]


def test_a_title_omits_a_name_that_the_id_contains() -> None:
    """The title of `base-gla` is not `base-gla gla`."""
    assert title(experiment("base-gla", name="GLA")) == "base-gla"
    assert display_name(experiment("e0001", name="SlowMixer")) == "SlowMixer"


def test_durations_have_two_units() -> None:
    """The units are seconds, minutes with seconds, or hours with minutes."""
    assert [duration_text(seconds) for seconds in (5, 65, 3720)] == ["5 s", "1 min 05 s", "1 h 02 min"]


def test_many_notes_do_not_stand_before_the_results(
    make_campaign: Callable[..., list[Experiment]], render: Callable[..., str]
) -> None:
    """A few are open, many are folded under their number."""
    few, many = (render(make_campaign(3), notes=[f"note {n}" for n in range(count)]) for count in (5, 6))
    assert "<h3>Notes</h3>" in few
    assert "<summary>Notes (6)</summary>" in many
