"""Quarantine: the analyst starts it, the engineer requests a replication, and its outcome ends it."""

from typing import Any

import pytest

from agents.analysis import quarantine
from agents.roles.analyst import Analyst
from agents.roles.engineer import Engineer
from bus.vocabulary.events import (
    AnalysisReady,
    CodeFailed,
    Peer,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
)
from bus.vocabulary.queries import (
    AskCognition,
    AskExperiments,
    AskPeers,
    AskSetup,
    Cognition,
    Experiment,
    Experiments,
    ExperimentSetup,
    Peers,
)
from bus.vocabulary.questions import Completion
from tests.support.decisions import decide, envelope_of
from tests.support.factories import NANO_LIMITS, campaign_started, experiment, run_completed

BEST_LOSS = 2.0
"""Validation loss of the best baseline here."""
BEST_TRAIN_LOSS = 1.7
"""Loss of the best baseline at the end of its training."""
STARTED = campaign_started(
    seed=3, attempts=2, baselines=("gla",), data="/texts", sandbox="none", models={"analyst": "m", "engineer": "m"}
)
QUARANTINED = RunAnomaly(run="e0003-a1", kind="too_good", step=240, evidence="text loss 1.000", action="quarantined")
STOPPED = RunAnomaly(run="e0003-a1", kind="diverged", step=7, evidence="loss 9.1 after 2.0")


def trained(experiment_id: str = "e0003", **fields: Any) -> Experiment:
    """Return an experiment whose attempt 1 has a score."""
    defaults: dict[str, Any] = {
        "status": "running", "val_loss": BEST_LOSS, "train_loss": BEST_TRAIN_LOSS, "recall": 0.5,
        "recall_stderr": 0.01, "parameters": 1000, "flops_per_token": 2000.0, "step_seconds": 0.2, "novelty": 0.5,
        "source": "a\n", "motivation": "m", "attempt": 1,
    }  # fmt: skip
    return experiment(experiment_id, **defaults | fields)


BASELINES = (trained("base-a"), trained("base-b", val_loss=2.4))


def peers(candidate: Experiment, awaiting: tuple[str, ...] = ("e0003",), **fields: Any) -> Peers:
    """Return a candidate with two baselines."""
    return Peers(this=candidate, baselines=BASELINES, awaiting=awaiting, **fields)


def completed(run: str = "e0003-a1", val_loss: float = 1.0) -> RunCompleted:
    """Return the end of a run with a score."""
    return run_completed(run, val_loss=val_loss, recall=0.5)


def failed(run: str = "e0003-a1-r1", reason: str = "timeout") -> RunFailed:
    """Return the end of a run without a score."""
    return RunFailed(run=run, worker="t", attempt=1, stage="train", reason=reason, message="it took too long")


def analyst_answers(peers_reply: Any, first_loss: float = 1.0) -> dict[Any, Any]:
    """Return memory's answers to the analyst; `first_loss` is the loss before the event."""
    earlier = Experiments(rows=(trained(status="quarantined", val_loss=first_loss),))
    return {AskPeers: peers_reply, AskExperiments: earlier, AskCognition: Cognition(rows=())}


def engineer_answers(**fields: Any) -> dict[Any, Any]:
    """Return memory's answers to the engineer; `fields` are those of the experiment."""
    return {AskSetup: ExperimentSetup(this=trained(**fields), started=STARTED, baselines=BASELINES)}


class TestSuspicion:
    """Which results go into quarantine."""

    @pytest.mark.parametrize(("share", "suspected"), [(0.5, True), (0.899, True), (0.9, False), (1.0, False)])
    def test_a_loss_below_nine_tenths_of_the_best_baselines_is_suspected(self, share: float, suspected: bool) -> None:
        """The evidence has the loss, the best baseline's loss, and the lowest loss that counts as honest."""
        anomaly = quarantine.find_suspicion(trained(val_loss=share * BEST_LOSS), BASELINES)
        assert (anomaly is not None) == suspected
        if anomaly:
            assert (anomaly.run, anomaly.kind, anomaly.action, anomaly.step) == (
                "e0003-a1", "too_good", "quarantined", 0,
            )  # fmt: skip
            assert f"text loss {share * BEST_LOSS:.3f}" in anomaly.evidence
            assert "best baseline's is 2.000" in anomaly.evidence
            assert "below 1.800" in anomaly.evidence

    def test_a_baseline_is_never_suspected(self) -> None:
        """Candidates are judged against the baselines, whatever loss these reach."""
        assert quarantine.find_suspicion(trained("base-gla", val_loss=0.1), BASELINES) is None

    def test_no_result_is_suspected_without_a_baseline(self) -> None:
        """The threshold is a share of the best baseline's loss."""
        assert quarantine.find_suspicion(trained(val_loss=0.1), ()) is None

    def test_perfect_recall_is_not_suspected(self) -> None:
        """Some honest designs recall everything."""
        assert quarantine.find_suspicion(trained(recall=1.0), BASELINES) is None

    def test_a_confirmed_result_beats_every_baseline(self) -> None:
        """A replication at the best baseline's loss never confirms a suspected result."""
        assert quarantine.is_replicated(1.0, 1.0 + quarantine.REPLICATION_TOLERANCE)
        assert not quarantine.is_replicated(quarantine.MIN_HONEST_LOSS_RATIO * BEST_LOSS, BEST_LOSS)


class TestAnalyst:
    """The analyst judges first runs and replications."""

    def test_a_result_that_is_too_good_is_quarantined_and_not_analysed(self) -> None:
        """It gets no fitness, and the analyst asks no model about it."""
        questions, posts = decide(
            Analyst(),
            envelope_of(completed(), "e0003"),
            analyst_answers(peers(trained(val_loss=1.0), started=STARTED)),
        )
        assert [(post.experiment, type(post.event)) for post in posts] == [("e0003", RunAnomaly)]
        assert [type(question) for question in questions] == [AskPeers]

    def test_results_that_waited_for_the_last_baseline_are_judged_too(self) -> None:
        """Of the waiting results, one is too good; the analyst analyses the other one and the baseline."""
        candidates = {"base-b": BASELINES[1], "e0003": trained(val_loss=1.0), "e0004": trained("e0004")}

        def peers_of(question: AskPeers) -> Peers:
            return peers(candidates[question.experiment], tuple(candidates))

        _, posts = decide(Analyst(), envelope_of(completed("base-b-a0"), "base-b"), analyst_answers(peers_of))
        assert {post.experiment: type(post.event) for post in posts} == {
            "base-b": AnalysisReady, "e0003": RunAnomaly, "e0004": AnalysisReady,
        }  # fmt: skip

    @pytest.mark.parametrize("second_loss", [1.0, 1.0 + quarantine.REPLICATION_TOLERANCE, 0.5])
    def test_a_replication_near_the_first_loss_confirms_the_result(self, second_loss: float) -> None:
        """The analysis uses the figures in memory, and its first finding has the losses of both runs."""
        candidate = trained(status="quarantined", val_loss=max(1.0, second_loss))
        event = completed("e0003-a1-r1", second_loss)
        questions, posts = decide(Analyst(), envelope_of(event, "e0003", 40), analyst_answers(peers(candidate, ())))
        (analysis,) = (post.event for post in posts)
        assert isinstance(analysis, AnalysisReady)
        assert f"text loss {second_loss:.3f} after 1.000" in analysis.findings[0]
        assert f"Text loss {candidate.val_loss:.3f}" in analysis.findings[1]
        assert [question.at for question in questions if isinstance(question, AskExperiments)] == [39]

    @pytest.mark.parametrize("second_loss", [1.001 + quarantine.REPLICATION_TOLERANCE, 2.0])
    def test_a_replication_far_above_the_first_loss_fails_the_experiment(self, second_loss: float) -> None:
        """The experiment ends with the reason `not_reproduced`, so it has no rank."""
        candidate = trained(status="quarantined", val_loss=second_loss)
        event = completed("e0003-a1-r1", second_loss)
        _, posts = decide(Analyst(), envelope_of(event, "e0003"), analyst_answers(peers(candidate, ())))
        (end,) = (post.event for post in posts)
        assert isinstance(end, CodeFailed)
        assert (end.attempt, end.stage, end.reason, end.final) == (1, "evaluate", "not_reproduced", True)
        assert f"{second_loss:.3f}" in end.message

    @pytest.mark.parametrize("status", ["analysed", "failed", "running"])
    def test_a_replication_of_an_experiment_outside_quarantine_is_ignored(self, status: str) -> None:
        """An experiment has one end."""
        answers = analyst_answers(peers(trained(status=status)))
        assert decide(Analyst(), envelope_of(completed("e0003-a1-r1"), "e0003"), answers)[1] == []

    def test_an_abandoned_decision_on_a_replication_fails_the_experiment(self) -> None:
        """The failed attempt is the one in the run's id."""
        (post,) = Analyst().give_up(envelope_of(completed("e0003-a1-r1"), "e0003"), "killed")
        assert isinstance(post.event, CodeFailed)
        assert (post.event.attempt, post.event.final) == (1, True)


class TestEngineer:
    """The engineer requests a replication, and fails the experiment if there is no result."""

    def test_the_same_source_runs_again_on_another_seed_and_shard(self) -> None:
        """All else is as in the first run; the engineer asks memory as of just before the quarantine."""
        questions, posts = decide(Engineer(), envelope_of(QUARANTINED, "e0003", 40), engineer_answers())
        (request,) = (post.event for post in posts)
        assert request == RunRequested(
            run="e0003-a1-r1", attempt=1, source="a\n", scale="nano", seed=quarantine.replication_seed(3, 1),
            limits=NANO_LIMITS, data="/texts", sandbox="none",
            peer=Peer(step_seconds=0.2, text_loss=BEST_TRAIN_LOSS), shard=1,
        )  # fmt: skip
        assert request.seed != STARTED.seed
        assert [question.at for question in questions if isinstance(question, AskSetup)] == [39]

    def test_an_anomaly_that_stopped_a_run_leads_to_no_question_and_no_event(self) -> None:
        """The engineer decides on the RunFailed that follows it, and gives nothing up for the anomaly."""
        assert decide(Engineer(), envelope_of(STOPPED, "e0003"), {}) == ([], [])
        assert Engineer().give_up(envelope_of(STOPPED, "e0003"), "killed") == []

    @pytest.mark.parametrize("status", ["quarantined", "failed", "analysed"])
    def test_a_repeated_or_late_quarantine_requests_no_run(self, status: str) -> None:
        """One replication is enough, and an experiment that has ended gets none."""
        assert decide(Engineer(), envelope_of(QUARANTINED, "e0003"), engineer_answers(status=status))[1] == []

    @pytest.mark.parametrize("reason", ["timeout", "causality", "anomaly:loss_too_low", "trainer_fault"])
    def test_a_replication_that_fails_fails_the_experiment(self, reason: str) -> None:
        """The reason is that of the run. The engineer asks no model and makes no further attempt."""
        event = envelope_of(failed(reason=reason), "e0003")
        questions, posts = decide(Engineer(), event, engineer_answers(status="quarantined"))
        (end,) = (post.event for post in posts)
        assert isinstance(end, CodeFailed)
        assert (end.attempt, end.reason, end.final) == (1, reason, True)
        assert "second run e0003-a1-r1 failed: it took too long" in end.message
        assert not [question for question in questions if isinstance(question, Completion)]

    def test_a_late_failure_of_the_first_run_changes_nothing(self) -> None:
        """Only a replication can end a quarantine."""
        event = envelope_of(failed("e0003-a1"), "e0003")
        assert decide(Engineer(), event, engineer_answers(status="quarantined"))[1] == []

    def test_a_veto_fails_the_experiment_and_a_withdrawn_veto_repeats_the_replication(self) -> None:
        """The log holds one outcome of a run, so the repetition has the next shard and that shard's seed."""
        event = envelope_of(failed(reason="vetoed"), "e0003")
        _, vetoed_posts = decide(Engineer(), event, engineer_answers(status="quarantined", vetoed=True))
        assert [(post.event.reason, post.event.final) for post in vetoed_posts] == [("vetoed", True)]
        _, (post,) = decide(Engineer(), event, engineer_answers(status="quarantined"))
        assert isinstance(post.event, RunRequested)
        repetition = (post.event.run, post.event.shard, post.event.seed)
        assert repetition == ("e0003-a1-r2", 2, quarantine.replication_seed(3, 2))

    def test_an_abandoned_decision_on_a_quarantine_fails_the_experiment(self) -> None:
        """Otherwise its slot would stay open."""
        (post,) = Engineer().give_up(envelope_of(QUARANTINED, "e0003"), "killed")
        assert isinstance(post.event, CodeFailed)
        assert (post.event.attempt, post.event.final) == (1, True)
