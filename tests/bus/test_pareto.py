"""The Pareto front: nothing on it is beaten in every gain and in cost at once."""

from bus.vocabulary.events import FitnessParts, ObjectiveParts
from bus.vocabulary.queries import Experiment
from bus.vocabulary.queries.pareto import pareto_front


def measured(name: str, text: float, recall: float, flops: float | None = 1.0) -> Experiment:
    """Return an experiment with gains and a cost."""
    parts = ObjectiveParts(gains={"text": text, "recall": recall}, flops=flops)
    scored = FitnessParts(loss=0.5, benchmark=0.5, judge=0.5)
    return Experiment(id=name, status="analysed", fitness=0.5, parts=scored, objective=text, objective_parts=parts)


def test_only_what_none_dominates_is_on_the_front() -> None:
    """The dearer and worse goes; a trade-off, an equal and a cheaper one stay; a fitness alone has no point."""
    rows = [
        measured("best-text", 2.0, 0.0),
        measured("best-recall", 0.0, 2.0),
        measured("twin", 0.0, 2.0),
        measured("cheap", 0.0, 0.0, flops=0.5),
        measured("worse", 1.9, 0.0),
        measured("dear", 2.0, 0.0, flops=1.1),
        measured("unknown", 2.0, 0.0, flops=None),
        Experiment(id="old", status="analysed", fitness=0.9),
    ]
    assert [row.id for row in pareto_front(rows)] == ["best-text", "best-recall", "twin", "cheap"]
