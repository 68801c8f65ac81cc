"""The report of `benchmarks.task_noise`, on runs with known scores, and its training against a run in the jail."""

from benchmarks.task_readouts import READOUTS, TaskRun, report

GOOD, FAIR, CHANCE = [(0.001, 1.0), (0.1, 0.96)], [(0.3, 0.9), (1.0, 0.7)], [(3.0, 0.1), (3.0, 0.1)]


def task_run(design: str, seed: int, levels: list[tuple[float, float]]) -> TaskRun:
    return TaskRun("recall", design, seed, 2.0, [3.0, 1.0, 0.5, 0.5], [CHANCE, levels], {"0.1": levels, "0.25": levels})


RUNS = [
    task_run(name, seed, levels)
    for name, rows in {"a": [GOOD, GOOD], "b": [FAIR, GOOD], "c": [CHANCE, CHANCE]}.items()
    for seed, levels in enumerate(rows)
]


def test_a_higher_readout_is_better():
    """Every held-out readout puts the good run before the fair one, and that before chance."""
    for name, readout in READOUTS.items():
        good, fair, chance = (readout(task_run("x", 0, levels)) for levels in (GOOD, FAIR, CHANCE))
        assert "reported" in name or good > fair > chance, name


def test_designs_at_chance_count_among_all_designs_only():
    """A design is able if its accuracy is at least half of the best one's."""
    figures = report(RUNS)["recall"]
    assert figures["able designs"]["designs"] == ["a", "b"]
    assert figures["all designs"]["accuracy"]["spread"] > 3 * figures["able designs"]["accuracy"]["spread"]
    assert figures["all designs"]["accuracy"]["noise"] > 0


def test_only_seeds_that_every_design_has_are_compared():
    """A file may end in the middle of a seed; with no common seed there are no figures."""
    assert report([*RUNS, task_run("a", 2, GOOD)])["recall"]["seeds"] == 2
    assert report([task_run("a", 0, GOOD), task_run("b", 1, GOOD)])["recall"] == {"seeds": 0}
