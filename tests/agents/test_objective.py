"""The search objective: measurements against the best baseline, in units of seed noise, with nothing squashed."""

from math import log, sqrt
from typing import Any

import pytest

from agents.analysis.objective import SOLVED_LOSS, mark, merit, score
from agents.roles.analyst import Analyst
from bus.vocabulary.events import AnalysisReady, Measure, Objective, ObjectiveMeasure, rank_key
from bus.vocabulary.queries import AskCognition, AskExperiments, AskPeers, Cognition, Experiment, Experiments, Peers
from tests.support.decisions import decide, envelope_of
from tests.support.factories import campaign_started, experiment, metrics, run_completed

TEXT = ObjectiveMeasure(measure="nats_per_byte", weight=1.0, noise=0.02)
RECALL = ObjectiveMeasure(measure="accuracy", weight=0.5, noise=0.2)
OBJECTIVE = Objective(tasks={"text": TEXT, "recall": RECALL}, max_flops=1.5)
STARTED = campaign_started(objective=OBJECTIVE)


def trained(experiment_id: str = "e0003", **fields: Any) -> Experiment:
    """Return a completed experiment."""
    defaults = {"val_loss": 2.0, "recall": 0.5, "parameters": 1000, "flops_per_token": 2000.0, "novelty": 0.5}
    return experiment(experiment_id, **{"status": "running"} | defaults | {"lines": 50} | fields)


BASELINES = (trained("base-a", val_loss=2.0, recall=0.4), trained("base-b", val_loss=2.2, recall=0.6))


def test_a_gain_is_over_the_best_baseline_of_each_measure_in_units_of_noise() -> None:
    """Text is compared with the one baseline, recall with the other; the weights make the mean."""
    value, parts = score(OBJECTIVE, trained(val_loss=1.9, recall=0.7), BASELINES)
    assert parts.gains == pytest.approx({"text": 5.0, "recall": 0.5})
    assert value == pytest.approx((5.0 + 0.5 * 0.5) / 1.5)


def test_nothing_saturates() -> None:
    """A step in loss counts as much far from the baselines as near them."""
    near, far = (score(OBJECTIVE, trained(val_loss=2.0 - gain), BASELINES)[0] for gain in (0.1, 1.0))
    further = score(OBJECTIVE, trained(val_loss=2.0 - 1.1), BASELINES)[0]
    start = score(OBJECTIVE, trained(val_loss=2.0), BASELINES)[0]
    assert further - far == pytest.approx(near - start)


def test_the_judge_and_the_size_do_not_enter() -> None:
    """Two designs with the same measurements have the same objective."""
    plain, odd = trained(novelty=0.0, lines=500), trained(novelty=1.0, lines=5)
    assert score(OBJECTIVE, plain, BASELINES) == score(OBJECTIVE, odd, BASELINES)


def test_runs_of_one_baseline_are_pooled() -> None:
    """The lucky run of a baseline sets no mark: the mean of its runs does."""
    runs = [trained(f"base-a{run}", name="a", val_loss=loss) for run, loss in enumerate((1.9, 2.1))]
    assert mark(OBJECTIVE, (*runs, BASELINES[1])).merits["text"] == pytest.approx(-2.0)


def test_the_logarithm_of_a_loss_ends_where_a_task_is_solved() -> None:
    """Below that loss, differences say nothing about a design."""
    of = RECALL.model_copy(update={"measure": "log_loss"})
    losses = [merit("recall", of, metrics(recall=recall)) for recall in (0.5, 0.99, 0.999)]
    assert losses == pytest.approx([-log(0.5), -log(SOLVED_LOSS), -log(SOLVED_LOSS)])


def test_a_reported_logarithm_counts_as_it_is() -> None:
    """It is the mean over levels; the logarithm of the mean stands in for runs that do not report it."""
    run = metrics(recall=0.5)
    measures = {**run.tasks["recall"].measures, "log_loss": Measure(value=-3.0)}
    reported = run.model_copy(
        update={"tasks": {"recall": run.tasks["recall"].model_copy(update={"measures": measures})}}
    )
    assert merit("recall", RECALL.model_copy(update={"measure": "log_loss"}), reported) == 3.0


@pytest.mark.parametrize(("flops", "within"), [(3000.0, True), (3001.0, False)])
def test_a_design_above_the_limit_of_flops_ranks_below_all_others(flops: float, within: bool) -> None:
    """The limit is a multiple of the costliest baseline's FLOPs."""
    value, parts = score(OBJECTIVE, trained(val_loss=1.5, flops_per_token=flops), BASELINES)
    assert parts.within_limit is within
    assert (rank_key(value, 0.9, within_limit=within) < rank_key(-50.0, 0.1, within_limit=True)) is within


def test_without_baselines_gains_count_from_zero() -> None:
    """So values stay comparable within a campaign that has none."""
    value, parts = score(OBJECTIVE, trained(), ())
    assert (value, parts.flops, parts.within_limit) == (pytest.approx((-100 + 0.5 * 2.5) / 1.5), None, True)


def test_the_noise_of_the_objective_follows_from_the_weights() -> None:
    """Each gain has a standard deviation of 1 over seeds, so two equal weights halve the variance."""
    assert Objective(tasks={"a": TEXT, "b": TEXT}).noise == pytest.approx(sqrt(0.5))


def test_the_judge_breaks_ties_and_never_more() -> None:
    """Two values of one tenth of a standard deviation are a tie."""
    assert rank_key(1.02, 0.9, within_limit=True) < rank_key(0.98, 0.1, within_limit=True)
    assert rank_key(1.2, 0.0, within_limit=True) < rank_key(1.0, 1.0, within_limit=True)


class TestObjectiveOfAnAnalysis:
    """The analyst puts the objective next to the fitness."""

    def analysis(self, started: Any, event: Any = None, **fields: Any) -> AnalysisReady:
        """Return the analysis of a result."""
        this = trained(**fields)
        peers = Peers(this=this, baselines=BASELINES, awaiting=("e0003",), started=started)
        earlier = Experiments(rows=(trained(val_loss=1.0),))
        answers = {AskPeers: peers, AskCognition: Cognition(rows=()), AskExperiments: earlier}
        _, (post,) = decide(Analyst(), envelope_of(event or run_completed("e0003-a0"), "e0003"), answers)
        assert isinstance(post.event, AnalysisReady)
        return post.event

    def test_an_analysis_holds_the_objective_with_its_parts(self) -> None:
        """A campaign with an objective has it, and its fitness is that of a campaign without one."""
        analysis, old = self.analysis(STARTED, val_loss=1.9), self.analysis(campaign_started(), val_loss=1.9)
        assert (analysis.objective, analysis.objective_parts) == score(OBJECTIVE, trained(val_loss=1.9), BASELINES)
        assert (old.objective, old.objective_parts) == (None, None)
        assert (analysis.fitness, analysis.parts) == (old.fitness, old.parts)

    def test_a_replicated_result_records_both_runs(self) -> None:
        """Their difference tells memory how large the noise is."""
        second = run_completed("e0003-a0-r1", val_loss=1.04, recall=0.5)
        analysis = self.analysis(STARTED, second, status="quarantined", val_loss=1.04)
        assert analysis.objective_parts is not None
        first, other = analysis.objective_parts.runs
        assert first - other == pytest.approx(0.04 / 0.02 / 1.5)
