"""The summariser: insights of the results that are left, and none if people have vetoed all of them."""

from agents.thinking.summarising import insights
from bus.vocabulary.events import AnalysisReady, FitnessParts
from bus.vocabulary.queries import AskAnalysed, AskExperiments, CampaignStatus, Experiments
from tests.support.decisions import drive, envelope_of
from tests.support.factories import campaign_started, experiment

READY = AnalysisReady(
    fitness=0.5, parts=FitnessParts(loss=0.5, benchmark=0.5, judge=0.5), findings=(), problem="", cognition=()
)
GOOD = experiment(
    "e0001", name="gla", problem="Keys interfere.", findings=("Text loss 2.0: better by 0.1.",), fitness=0.5
)
STATUS = CampaignStatus(campaign="c", started=campaign_started(), analysed=10, ranking=("e0001",))


def test_rules_sum_up_the_findings_of_results() -> None:
    found = drive(
        insights(envelope_of(READY), STATUS, 10, "analyst"),
        {AskAnalysed: Experiments(rows=(GOOD,)), AskExperiments: Experiments(rows=(GOOD,))},
    )
    assert found.worked == ("e0001 gla: Text loss 2.0: better by 0.1.",)
    assert found.questions == ("Keys interfere.",)
    assert (found.analysed, found.written_by) == (10, "rules")


def test_without_a_result_that_counts_there_is_nothing_to_say() -> None:
    """A query for no experiments would return all of them, so it is not asked."""
    found = drive(insights(envelope_of(READY), STATUS, 10, "analyst"), {AskAnalysed: Experiments(rows=())})
    assert (found.worked, found.failed, found.questions) == ((), (), ())
