"""A result too good to count at once: who puts it aside, what it is asked for, and what ends it."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.analysis import quarantine
from agents.roles.analyst import Analyst
from agents.roles.engineer import Engineer, EngineerSettings
from bus.delivery.role import Post
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignStarted,
    CodeFailed,
    CurvePoint,
    Limits,
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
    AskTrial,
    Cognition,
    Experiment,
    Experiments,
    ExperimentSetup,
    Peers,
)
from bus.vocabulary.questions import Completion
from bus.wire.envelope import Envelope

Drive = Callable[..., tuple[list[Any], list[Post]]]
Said = Callable[..., Envelope]

BEST = 2.0
TRAINED = 1.7
"""What the best baseline ended its training with."""
"""Loss of the best baseline here."""
STARTED = CampaignStarted(
    goal="g", seed=3, scale="nano", experiments=9, slots=1, attempts=2, baselines=("gla",), cold_start=4, batch=3,
    data="/texts", sandbox="none",
)  # fmt: skip
NANO = Limits(seconds=60.0, memory_mb=900)
SEEN = RunAnomaly(run="e0003-a1", kind="too_good", step=240, evidence="text loss 1.000", action="quarantined")
STOPPED = RunAnomaly(run="e0003-a1", kind="diverged", step=7, evidence="loss 9.1 after 2.0")


def trained(id: str = "e0003", **more: Any) -> Experiment:  # noqa: A002  (the field's name)
    """Return an experiment with a score, of attempt 1."""
    known: dict[str, Any] = {
        "id": id, "status": "running", "val_loss": BEST, "train_loss": TRAINED, "recall": 0.5, "recall_stderr": 0.01,
        "parameters": 1000, "flops_per_token": 2000.0, "step_seconds": 0.2, "novelty": 0.5, "source": "a\n",
        "motivation": "m", "attempt": 1, "curve": (CurvePoint(task="text", step=240, loss=1.0),),
    }  # fmt: skip
    return Experiment.model_validate(known | more)


BASELINES = (trained("base-a"), trained("base-b", val_loss=2.4))


def peers(this: Experiment, awaiting: tuple[str, ...] = ("e0003",), baselines: Any = BASELINES) -> Peers:
    """Return an experiment beside two baselines."""
    return Peers(this=this, baselines=baselines, awaiting=awaiting)


def completed(run: str = "e0003-a1", val_loss: float = 1.0) -> RunCompleted:
    """Return a run that ended with a score."""
    return RunCompleted(
        run=run, worker="t", width=64, parameters=1000, steps=1, tokens=1, seconds=1.0, step_seconds=0.1,
        flops_per_token=2000.0, val_loss=val_loss, bits_per_byte=val_loss / 0.69, recall=0.5, recall_stderr=0.01,
        weights="w", weights_sha256="0", curve=(),
    )  # fmt: skip


def failed(run: str = "e0003-a1-r1", reason: str = "timeout") -> RunFailed:
    """Return a run that ended without one."""
    return RunFailed(run=run, worker="t", attempt=1, stage="train", reason=reason, message="it took too long")


def analysts(found: Any, first: float = 1.0) -> dict[Any, Any]:
    """Return memory's answers to the analyst; `first` is the loss before the event."""
    before = Experiments(rows=(trained(status="quarantined", val_loss=first),))
    return {AskPeers: found, AskExperiments: before, AskCognition: Cognition(rows=())}


def engineers(**this: Any) -> dict[Any, Any]:
    """Return memory's answers to the engineer."""
    return {AskTrial: ExperimentSetup(this=trained(**this), started=STARTED, baselines=BASELINES)}


class TestTooGood:
    """Which results are put aside."""

    @pytest.mark.parametrize(("share", "suspected"), [(0.5, True), (0.899, True), (0.9, False), (1.0, False)])
    def test_only_what_no_honest_design_reaches(self, share: float, suspected: bool) -> None:
        """A share of the best baseline's loss; the evidence says what was seen and what would be honest."""
        found = quarantine.find_suspicion(trained(val_loss=share * BEST), BASELINES)
        assert (found is not None) == suspected
        if found:
            assert (found.run, found.kind, found.action, found.step) == ("e0003-a1", "too_good", "quarantined", 240)
            assert f"text loss {share * BEST:.3f}" in found.evidence
            assert "best baseline's is 2.000" in found.evidence
            assert "below 1.800" in found.evidence

    def test_a_human_design_never_is(self) -> None:
        """The others are judged against it, whatever it reaches."""
        assert quarantine.find_suspicion(trained("base-gla", val_loss=0.1), BASELINES) is None

    def test_nothing_is_without_a_baseline(self) -> None:
        """There is nothing to compare with."""
        assert quarantine.find_suspicion(trained(val_loss=0.1), ()) is None

    def test_perfect_recall_is_honest(self) -> None:
        """Some designs recall everything."""
        assert quarantine.find_suspicion(trained(recall=1.0), BASELINES) is None

    def test_what_is_borne_out_still_beats_every_baseline(self) -> None:
        """The two thresholds leave no room for a second run that is level with one."""
        assert quarantine.is_replicated(1.0, 1.0 + quarantine.REPLICATION_TOLERANCE)
        assert not quarantine.is_replicated(quarantine.MIN_HONEST_LOSS_RATIO * BEST, BEST)


class TestAnalyst:
    """Who judges first and second runs."""

    def test_what_is_too_good_is_put_aside_and_not_analysed(self, said: Said, drive: Drive) -> None:
        """No fitness, and no model is asked about it."""
        asked, posts = drive(Analyst(model=True), said(completed(), "e0003"), analysts(peers(trained(val_loss=1.0))))
        assert [(post.experiment, type(post.event)) for post in posts] == [("e0003", RunAnomaly)]
        assert [type(question) for question in asked] == [AskPeers]

    def test_what_waited_for_the_last_baseline_is_judged_alike(self, said: Said, drive: Drive) -> None:
        """One of those that waited is too good, the other and the baseline are analysed."""
        them = {"base-b": BASELINES[1], "e0003": trained(val_loss=1.0), "e0004": trained("e0004")}

        def found(question: AskPeers) -> Peers:
            return peers(them[question.experiment], tuple(them))

        _, posts = drive(Analyst(), said(completed("base-b-a0"), "base-b"), analysts(found))
        assert {post.experiment: type(post.event) for post in posts} == {
            "base-b": AnalysisReady, "e0003": RunAnomaly, "e0004": AnalysisReady,
        }  # fmt: skip

    @pytest.mark.parametrize("second", [1.0, 1.0 + quarantine.REPLICATION_TOLERANCE, 0.5])
    def test_a_second_run_that_comes_near_bears_it_out(self, said: Said, drive: Drive, second: float) -> None:
        """It is analysed by the figures that memory holds, and the first finding tells of both runs."""
        this = trained(status="quarantined", val_loss=max(1.0, second))
        event = completed("e0003-a1-r1", second)
        asked, posts = drive(Analyst(), said(event, "e0003", 40), analysts(peers(this, ())))
        (ready,) = (post.event for post in posts)
        assert isinstance(ready, AnalysisReady)
        assert f"text loss {second:.3f} after 1.000" in ready.findings[0]
        assert f"Text loss {this.val_loss:.3f}" in ready.findings[1]
        assert [question.at for question in asked if isinstance(question, AskExperiments)] == [39]

    @pytest.mark.parametrize("second", [1.001 + quarantine.REPLICATION_TOLERANCE, 2.0])
    def test_a_second_run_that_does_not_ends_it(self, said: Said, drive: Drive, second: float) -> None:
        """Given up with the reason, so that it never ranks."""
        this = trained(status="quarantined", val_loss=second)
        event = completed("e0003-a1-r1", second)
        _, posts = drive(Analyst(), said(event, "e0003"), analysts(peers(this, ())))
        (end,) = (post.event for post in posts)
        assert isinstance(end, CodeFailed)
        assert (end.attempt, end.stage, end.reason, end.final) == (1, "evaluate", "not_reproduced", True)
        assert f"{second:.3f}" in end.message

    @pytest.mark.parametrize("status", ["analysed", "failed", "running"])
    def test_a_second_run_of_what_is_not_quarantined_says_nothing(self, said: Said, drive: Drive, status: str) -> None:
        """The experiment has its end."""
        found = analysts(peers(trained(status=status)))
        assert drive(Analyst(), said(completed("e0003-a1-r1"), "e0003"), found)[1] == []

    def test_a_second_run_that_can_not_be_analysed_is_given_up(self, said: Said) -> None:
        """Its attempt is read from the run's id."""
        (post,) = Analyst().give_up(said(completed("e0003-a1-r1"), "e0003"), "killed")
        assert isinstance(post.event, CodeFailed)
        assert (post.event.attempt, post.event.final) == (1, True)


class TestEngineer:
    """Who asks for the second run, and ends what has none."""

    def test_the_same_source_is_asked_for_on_another_seed_and_shard(self, said: Said, drive: Drive) -> None:
        """As of just before the quarantine; all else is as in the first run."""
        engineer = Engineer(EngineerSettings(limits={"nano": NANO}))
        asked, posts = drive(engineer, said(SEEN, "e0003", 40), engineers())
        (request,) = (post.event for post in posts)
        assert request == RunRequested(
            run="e0003-a1-r1", attempt=1, source="a\n", scale="nano", seed=quarantine.replication_seed(3, 1),
            limits=NANO, data="/texts", sandbox="none", peer=Peer(step_seconds=0.2, text_loss=TRAINED), shard=1,
        )  # fmt: skip
        assert request.seed != STARTED.seed
        assert [question.at for question in asked if isinstance(question, AskTrial)] == [39]

    def test_a_run_that_the_monitor_stopped_is_left_to_its_failure(self, said: Said, drive: Drive) -> None:
        """Nothing is asked or said upon it, nor given up for it."""
        assert drive(Engineer(), said(STOPPED, "e0003"), {}) == ([], [])
        assert Engineer().give_up(said(STOPPED, "e0003"), "killed") == []

    @pytest.mark.parametrize("status", ["quarantined", "failed", "analysed"])
    def test_a_quarantine_said_twice_or_too_late_asks_for_nothing(self, said: Said, drive: Drive, status: str) -> None:
        """One second run is enough, and what has ended stays so."""
        assert drive(Engineer(), said(SEEN, "e0003"), engineers(status=status))[1] == []

    @pytest.mark.parametrize("reason", ["timeout", "causality", "anomaly:loss_too_low", "trainer_fault"])
    def test_a_second_run_that_fails_ends_it(self, said: Said, drive: Drive, reason: str) -> None:
        """Under the failure's own name, unrepaired: no model is asked, no attempt is made."""
        engineer = Engineer(EngineerSettings(model=True))
        asked, posts = drive(engineer, said(failed(reason=reason), "e0003"), engineers(status="quarantined"))
        (end,) = (post.event for post in posts)
        assert isinstance(end, CodeFailed)
        assert (end.attempt, end.reason, end.final) == (1, reason, True)
        assert "second run e0003-a1-r1 failed: it took too long" in end.message
        assert not [question for question in asked if isinstance(question, Completion)]

    def test_late_news_of_the_first_run_changes_nothing(self, said: Said, drive: Drive) -> None:
        """Only a second run can end a quarantine."""
        assert drive(Engineer(), said(failed("e0003-a1"), "e0003"), engineers(status="quarantined"))[1] == []

    def test_a_veto_ends_it_and_a_veto_taken_back_has_it_run_once_more(self, said: Said, drive: Drive) -> None:
        """On the next shard with a seed of its own, since the log holds one outcome for a run."""
        event = said(failed(reason="vetoed"), "e0003")
        _, ended = drive(Engineer(), event, engineers(status="quarantined", vetoed=True))
        assert [(post.event.reason, post.event.final) for post in ended] == [("vetoed", True)]
        _, (post,) = drive(Engineer(), event, engineers(status="quarantined"))
        assert isinstance(post.event, RunRequested)
        again = (post.event.run, post.event.shard, post.event.seed)
        assert again == ("e0003-a1-r2", 2, quarantine.replication_seed(3, 2))

    def test_a_quarantine_that_no_engineer_survives_is_given_up(self, said: Said) -> None:
        """Else its slot would wait for ever."""
        (post,) = Engineer().give_up(said(SEEN, "e0003"), "killed")
        assert isinstance(post.event, CodeFailed)
        assert (post.event.attempt, post.event.final) == (1, True)
