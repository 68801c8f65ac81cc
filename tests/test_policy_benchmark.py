"""The benchmark of search policies: every policy searches a table through the lab's own roles, log and memory."""

from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from typing_extensions import override

from agents.design import BASELINES, Design
from agents.search import policies
from agents.search.choices import Choices, ChoiceSpace
from agents.search.spaces import register
from benchmarks.policies import __main__ as command
from benchmarks.policies import outside, runs
from benchmarks.policies.campaign import TableCampaign
from benchmarks.policies.compare import evidence_for, interval, regrets, search_regrets, times_fewer
from benchmarks.policies.mixers import MixerTable
from benchmarks.policies.table import FOUNDERS, Contender, PublishedTable, Table
from bus.vocabulary.events import PoolUpdated, ProposalCreated, ProposalRequested, RunCompleted
from lab.researchers.published import Listed

QUERIES = 40
OPTIONS = {f"axis{axis}": ("0", "1", "2", "3") for axis in range(5)}


def hill() -> PublishedTable:
    """Return a table with one optimum, where every axis counts by itself."""
    space = ChoiceSpace("hill", OPTIONS)
    value = {design: float(sum((int(option) - 2) ** 2 for option in design)) for design in product(*OPTIONS.values())}
    return PublishedTable(Listed(space, {design: (height, 2 * height) for design, height in value.items()}))


def hill_table() -> PublishedTable:
    """Return the one table of its name."""
    return HILL


def graph_table() -> PublishedTable:
    """Return a table of NAS-Bench-Graph, if the package is installed."""
    pytest.importorskip("nas_bench_graph", reason="nas-bench-graph is not installed (extra bench)")
    table = runs.load("nas-bench-graph-arxiv", Path())
    assert isinstance(table, PublishedTable)
    return table


HILL = hill()
register(HILL.space)


CASES = [*((policy, hill_table) for policy in sorted(policies())), ("aging", graph_table)]


@pytest.mark.parametrize(("policy", "make"), CASES)
def test_every_policy_searches_a_table(policy: str, make: Callable[[], PublishedTable]) -> None:
    """It evaluates different designs of the space, as many as it may, and the same ones under the same seed."""
    table = make()
    first, second = (TableCampaign(table, Contender(policy), 3, QUERIES).run() for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)
    assert 0.8 * QUERIES < len(first) <= QUERIES  # a slot whose neighbourhood is exhausted is given up
    assert all(table.space.checked(design) == design for design in first)


@cache
def found_on_hill(policy: str, seed: int) -> tuple[Choices, ...]:
    """Return the designs that a policy evaluates, in order; every other policy is held against random draws."""
    return tuple(TableCampaign(HILL, Contender(policy), seed, QUERIES).run())


@pytest.mark.parametrize("policy", ["aging", "mutate_best"])
def test_a_policy_that_reads_results_beats_random_draws(policy: str) -> None:
    """On a table where every axis counts by itself it finds better designs: the value reaches the ranking."""
    found = {}
    for name in (policy, "random"):
        found[name] = np.mean([regrets(HILL, found_on_hill(name, seed), seed, [QUERIES]) for seed in (1, 2)])
    assert found[policy] < found["random"]


def test_regret_is_that_of_the_incumbent_by_validation() -> None:
    """The design with the best validation value so far is judged by its test value; the first of equals counts."""
    rows: dict[Choices, tuple[float, ...]] = {("a",): (3.0, 7.0), ("b",): (1.0, 9.0), ("c",): (1.0, 5.0)}
    table = PublishedTable(Listed(ChoiceSpace("letters", {"letter": ("a", "b", "c")}), rows))
    assert regrets(table, [("a",), ("b",), ("c",)], 0, [1, 2, 3]) == [2.0, 4.0, 4.0]
    assert search_regrets(table, [("a",), ("b",), ("c",)], 0, [1, 2, 3]) == [2.0, 0.0, 0.0]


def test_a_table_of_seeds_selects_on_one_and_judges_on_the_others() -> None:
    """The seed of a run chooses which one a search sees."""
    table = Listed(ChoiceSpace("seeds", {"letter": ("a",)}), {("a",): (1.0, 2.0, 6.0)})
    assert [table.validation(("a",), seed) for seed in range(4)] == [1.0, 2.0, 6.0, 1.0]
    assert [table.test(("a",), seed) for seed in range(4)] == [4.0, 3.5, 1.5, 4.0]
    assert table.best == 3.0
    assert [table.best_validation(seed) for seed in range(4)] == [1.0, 2.0, 6.0, 1.0]


def test_an_interval_covers_the_mean_and_shrinks_with_runs() -> None:
    """It is the same for the same values."""
    few, many = np.random.default_rng(1).normal(2.0, 1.0, 10), np.random.default_rng(2).normal(2.0, 1.0, 1000)
    assert interval(few) == interval(few)
    for mean, low, high in (interval(few), interval(many)):
        assert low < mean < high
    assert np.ptp(interval(many)[1:]) < 0.3 * np.ptp(interval(few)[1:])


def test_queries_to_the_regret_of_another_policy_are_counted() -> None:
    """A policy that is after 2 queries where the other is after 6 takes three times fewer; one that never is, 0."""
    slow = np.tile([9.0, 8.0, 7.0, 6.0, 5.0, 4.0], (3, 1))
    assert times_fewer(np.tile([6.0, 4.0, 1.0], (3, 1)), slow) == (3.0, 3.0, 3.0)
    assert times_fewer(np.tile([6.0, 5.0, 4.5], (3, 1)), slow) == (0.0, 0.0, 0.0)


def test_a_policy_needs_evidence() -> None:
    """A clear gain over the runs confirms; noise of the same size does not, nor runs that are all equal."""
    draws = np.random.default_rng(5).normal(0.0, 1.0, (2, 30))
    assert evidence_for(draws[0] - 2.0, draws[1]).endswith("of 20: less regret")
    assert evidence_for(draws[0], draws[1]).endswith("of 20: no evidence")
    assert evidence_for(draws[0], draws[0]) == "1 of 20: no evidence"


def test_an_absent_table_is_skipped_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the file; an unknown policy is an error that lists those known."""
    monkeypatch.setattr("sys.argv", ["policies", "--tables", str(tmp_path), "--only", "nas-bench-macro"])
    assert command.main() == 0
    assert "skipped nas-bench-macro: " in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["policies", "--policies", "luck"])
    assert command.main() == 2
    assert "luck" in capsys.readouterr().err


def test_runs_that_a_file_holds_are_not_repeated(tmp_path: Path) -> None:
    """They count as the file says; the file gets the others."""
    out = tmp_path / "runs.jsonl"
    planned = [runs.PolicyRun("mixers-simulated", "random", seed, 12) for seed in range(2)]
    first = runs.collect(planned[:1], tmp_path, out, 1)
    lines = out.read_text().replace('"seconds": ', '"seconds": 100')
    out.write_text(lines)
    both = runs.collect(planned, tmp_path, out, 1)
    assert both[planned[0]].regrets == first[planned[0]].regrets
    assert both[planned[0]].seconds > 100 > both[planned[1]].seconds
    assert {course.run: course for course in runs.read(out)} == both


def test_the_outside_reference_searches_the_same_table() -> None:
    """TPE evaluates as many different designs, the same ones under the same seed, and opens as a campaign does."""
    pytest.importorskip("optuna", reason="optuna is not installed (extra bench)")
    first, second = (outside.search(HILL, 1, 40) for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first) == 40
    assert first[:FOUNDERS] == TableCampaign(HILL, Contender("random"), 1, FOUNDERS + 1).run()[:FOUNDERS]


def mixer_campaign(policy: str) -> TableCampaign:
    """Return a finished campaign of a few trials on a simulated landscape of mixers."""
    campaign = TableCampaign(MixerTable(), Contender(policy), 1, 12)
    campaign.run()
    return campaign


def test_a_search_of_mixers_that_learns_is_reproducible() -> None:
    """The same seed has the same trials, the baselines not among them; forecasts chose most of them."""
    first, second = (mixer_campaign("surrogate") for _ in range(2))
    assert len(first.trained) == 12
    assert first.trained == second.trained
    events = [envelope.event for envelope in first.log]
    forecasts = [event.forecast for event in events if isinstance(event, ProposalCreated) and event.forecast]
    assert len(forecasts) > 6
    assert all(forecast.mean is not None and forecast.children > 1 for forecast in forecasts)


def test_a_mixture_learns_from_its_own_policies() -> None:
    """Its newest state counts trials of the policies that it chose."""
    log = mixer_campaign("mixture").log
    newest = next(e.event for e in reversed(log) if isinstance(e.event, PoolUpdated))
    counts = cast("dict[str, dict[str, int]]", newest.state["policies"])
    chosen = {envelope.event.policy for envelope in log if isinstance(envelope.event, ProposalRequested)} - {None}
    assert chosen >= {name for name, each in counts.items() if each["trials"]}
    assert sum(each["trials"] for each in counts.values()) >= 8


def test_mixers_are_judged_by_their_true_loss_against_the_best_baseline() -> None:
    """No baseline is better than the best one, and what a search sees has the noise of a seed."""
    table = MixerTable()
    humans = [human.design for human in BASELINES.values()]
    assert min(table.test(design, 4) for design in humans) == 0.0
    assert table.validation(humans[0], 4) != table.loss(humans[0], 4)
    assert table.start(Contender("random"), 4, 12).objective is not None


def test_a_contender_may_change_a_setting_of_the_researcher() -> None:
    """The campaign starts with it; an unknown setting is refused."""
    started = MixerTable().start(Contender.parse("two_tier:formulas=0"), 1, 12)
    assert started.policy == "two_tier"
    assert started.roles["researcher"]["formulas"] == 0.0
    with pytest.raises(ValueError, match="luck"):
        Contender.parse("two_tier:luck=1")


@pytest.mark.parametrize("table", [HILL, MixerTable()], ids=["published", "mixers"])
def test_a_contender_may_change_a_parameter_of_its_policy(table: Table) -> None:
    """The other parameters are those that suit the campaign; a value out of range is refused."""
    started = table.start(Contender.parse("two_tier:batch=7:formulas=0"), 1, 40)
    suited = policies()["two_tier"].sized_for(started.experiments, len(started.baselines)).model_dump()
    assert started.policy_parameters == suited | {"batch": 7} != suited
    assert started.roles["researcher"]["formulas"] == 0.0
    with pytest.raises(ValueError, match="batch"):
        Contender.parse("two_tier:batch=0")


class TooGood(MixerTable):
    """Mixers that are all too good to count at once, but the humans'."""

    @override
    def loss(self, design: Design, seed: int) -> float:
        return 2.5 if design in {human.design for human in BASELINES.values()} else 2.0


def test_a_result_in_quarantine_is_replicated() -> None:
    """It counts then, so the campaign goes on to its end; the second run has noise of its own."""
    campaign = TableCampaign(TooGood(), Contender("random"), 1, 6)
    assert len(campaign.run()) == 6
    ends = [one.event for one in campaign.log if isinstance(one.event, RunCompleted)]
    assert len(ends) == len(BASELINES) + 2 * 6
    assert len({end.metrics.val_loss for end in ends[len(BASELINES) :]}) == 2 * 6
