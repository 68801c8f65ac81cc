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


@pytest.mark.parametrize(("finished", "term"), [(False, "newest event"), (True, "ended")])
def test_only_a_finished_campaign_has_ended(
    make_campaign: Make, make_status: Callable, render: Callable, read_page: Callable, finished: bool, term: str
) -> None:
    """Until then the last time on the page is that of the newest event."""
    experiments = make_campaign(3)
    page = read_page(render(experiments, status=make_status(experiments, finished=finished)))
    terms = [node.text for node in page.all("main")[0].all("dl", "figures")[0].all("dt")]
    assert terms[terms.index("started") + 1] == term


def test_an_imported_parent_is_named_without_a_link(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """Imported experiments have no record on the page, so a link to one would lead nowhere."""
    experiments = make_campaign(3)
    family = {"parent_id": "i-0123456789ab", "references": ("e9999", "base-gla")}
    child = experiments[-1].model_copy(update=family)
    page = read_page(render([*experiments[:-1], child]))
    record = page.by_id(child.id)
    assert "from i-0123456789ab (imported)" in record.text
    assert [a.text for a in record.all("dl", "figures")[0].all("a")] == ["base-gla"]
    assert "e9999" in record.text
