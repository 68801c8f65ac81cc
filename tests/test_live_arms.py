"""The best designs of campaigns on fresh seeds: who is trained again, and what the table says of them."""

from dataclasses import asdict
from json import dumps
from pathlib import Path

import pytest

from benchmarks.kept_runs import KeptRun, PlannedTraining, collect
from benchmarks.learning_rates import table
from benchmarks.live_arms import PLACEBO, PLACEBO_SEEDS, RIVAL, Finalist, finalists, lines, trainings
from lab.operations.campaign_report.logs import read_log

LOG = Path(__file__).parents[1] / "docs" / "campaigns" / "prior-seed13.jsonl.gz"


def test_finalists_are_the_best_of_the_policy_alone() -> None:
    (log,) = read_log(LOG)
    chosen = list(finalists([log], 5))
    arms = {one.experiment: one.arm for one in log.outcomes if one.kind == "opened"}
    assert [arms[one.name.split()[-1]] for one in chosen] == ["surrogate"] * 5
    rival = log.scored["base-mamba2"].loss
    own = [rival - log.scored[name].loss for name, arm in arms.items() if arm == "surrogate" and name in log.scored]
    assert [one.screened for one in chosen] == sorted(own, reverse=True)[:5]


def test_a_slow_machine_takes_no_design_from_a_policy() -> None:
    """Runs of the one campaign took half as long again as those of the other; its last designs count all the same."""
    logs = [log for policy in ("two_tier", "evolved") for log in read_log(LOG.with_name(f"{policy}-seed22.jsonl.gz"))]
    assert [one.name for one in finalists(logs, 1)] == ["two_tier-seed22 e0124", "evolved-seed22 e0129"]


def test_policies_need_as_many_campaigns_each() -> None:
    (log,) = read_log(LOG)
    (other,) = read_log(LOG.with_name("random-seed21.jsonl.gz"))
    with pytest.raises(ValueError, match="as many campaigns each, not surrogate 2, random 1"):
        list(finalists([log, log, other], 5))


def test_the_table_pairs_seeds_and_passes_over_failures() -> None:
    chosen = [Finalist("surrogate", "log e0001", "", 0.1), Finalist("random", "log e0002", "", 0.02)]
    losses = {RIVAL: (2.10, 2.12, 2.11), "log e0001": (2.08, 2.09, 2.10), "log e0002": (2.2, None, None)}
    runs = [
        KeptRun(PlannedTraining(name, seed), loss) for name, all_ in losses.items() for seed, loss in enumerate(all_)
    ]
    text = list(lines(chosen, runs))
    assert "| surrogate | log e0001 | +0.1000 | 2.0900 | +0.0200 | -0.0048 to +0.0448 | 3 |" in text
    assert "| random | log e0002 | +0.0200 | failed | – | – | 0 |" in text
    assert text[-1] == f"| {RIVAL} | 2.1100 | – | – | – | – |"


def test_policies_are_compared_over_the_seeds_of_all_their_best() -> None:
    chosen = [
        Finalist("surrogate", "a", "", 2.0),
        Finalist("surrogate", "b", "", 2.0),
        Finalist("random", "c", "", 2.1),
    ]
    losses = {RIVAL: (2.10, 2.12, 2.11), "a": (2.0, 2.1, 2.0), "b": (2.2, 2.1, None), "c": (2.0, 2.0, 2.0)}
    placebo = [KeptRun(PlannedTraining(PLACEBO, seed + PLACEBO_SEEDS), 2.11) for seed in range(3)]
    runs = [
        KeptRun(PlannedTraining(name, seed), loss) for name, all_ in losses.items() for seed, loss in enumerate(all_)
    ]
    text = list(lines(chosen, [*runs, *placebo]))
    assert "| surrogate | 2.0333 | 2.1000 | – | – | – |" in text
    assert "| random | 2.0000 | 2.0000 | +0.1000 | +0.1000 to +0.1000 | 2 |" in text
    assert f"| {PLACEBO} | {RIVAL} | – | 2.1100 | +0.0000 | -0.0248 to +0.0248 | 3 |" in text


def test_the_placebo_has_seeds_of_its_own() -> None:
    planned = list(trainings([Finalist("random", "c", "", 2.1)], 2))
    seeds = {(one.design, one.seed) for one in planned}
    assert len(seeds) == len(planned) == 6
    assert {seed for name, seed in seeds if name == PLACEBO}.isdisjoint(seed for name, seed in seeds if name != PLACEBO)
    assert all(one.sealed for one in planned)


def test_kept_runs_are_not_repeated(tmp_path: Path) -> None:
    kept = KeptRun(PlannedTraining("a", 1, 2.0), 2.5)
    out = tmp_path / "runs.jsonl"
    out.write_text(dumps(asdict(kept)) + "\n")
    assert collect(out, {}, [kept.training]) == [kept]  # without a source, a run that is not kept would raise
    with pytest.raises(KeyError):
        collect(out, {}, [PlannedTraining("a", 2, 2.0)])


def test_a_rate_at_which_a_run_failed_has_no_mean() -> None:
    runs = [
        KeptRun(PlannedTraining("a", seed, rate), loss)
        for seed, rate, loss in ((0, 1.0, 2.5), (1, 1.0, 2.7), (0, 2.0, None))
    ]
    assert list(table(runs, ["a"], [1.0, 2.0]))[-1] == "| a | 2.6000 | failed | 1 |"
