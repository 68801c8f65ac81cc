"""The sentences of the report claim what the log shows, and no more: verdicts, ranks, fronts, times and parents."""

from collections.abc import Callable

import pytest

from bus.vocabulary.queries import Experiment

Make = Callable[..., list[Experiment]]
NOT_TESTED = "No candidate has been tested on fresh seeds"


@pytest.mark.parametrize(
    ("finished", "sentence"),
    [
        (False, "Verification is under way; no verdict yet."),
        (True, "Verification began, and the campaign ended before any candidate had a verdict"),
    ],
)
def test_looks_without_a_verdict_are_told(
    make_campaign: Make, make_status: Callable, render: Callable, finished: bool, sentence: str
) -> None:
    """A candidate that has been tested is not called untested, although it has no verdict."""
    experiments = make_campaign(8)
    page = render(experiments, events={"EvidenceReady": 2}, status=make_status(experiments, finished=finished))
    assert sentence in page
    assert NOT_TESTED not in page
    assert NOT_TESTED in render(experiments, events={"AnalysisReady": 8})


def test_the_first_in_rank_is_not_called_the_highest_score(make_campaign: Make, render: Callable) -> None:
    """Ranks follow a limit of FLOPs, rounded scores and the judge, so another candidate may have a higher score."""
    page = render(make_campaign(8))
    assert "The candidate that ranks first (" in page
    assert "highest" not in page.lower()
