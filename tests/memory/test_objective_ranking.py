"""A campaign with an objective ranks by it, shrunk, and as of any position of the log."""

import pytest

from bus.vocabulary.queries import AskExperiments
from memory.queries import Knowledge, answer
from memory.store import Store
from tests.support.scribe import OBJECTIVE, Scribe


@pytest.fixture
def campaign(scribe: Scribe) -> Scribe:
    """Return a scribe that has started a campaign with an objective."""
    scribe.start(objective=OBJECTIVE)
    return scribe


def test_the_ranking_is_by_objective(campaign: Scribe) -> None:
    """Not by fitness, which is still shown."""
    for slot, objective in enumerate((-3.0, 2.0, 0.0), 1):
        campaign.finish_scored(slot, objective)
    assert campaign.status().ranking == ("e0002", "e0003", "e0001")
    assert campaign.experiment("e0002").fitness == pytest.approx(0.498)
    assert campaign.experiment("e0002").objective == pytest.approx(2.0)


def test_a_log_without_an_objective_ranks_by_fitness(scribe: Scribe) -> None:
    """As before, even if an analysis has one."""
    scribe.start()
    for slot, objective in enumerate((-3.0, 2.0, 0.0), 1):
        scribe.finish_scored(slot, objective)
    assert scribe.status().ranking == ("e0001", "e0003", "e0002")
    assert scribe.experiment("e0001").score is None


def test_the_judge_breaks_a_tie(campaign: Scribe) -> None:
    """Of two values in one tenth of a standard deviation, the better judged is first."""
    campaign.finish_scored(1, 1.01, judge=0.2)
    campaign.finish_scored(2, 0.99, judge=0.8)
    assert campaign.status().ranking == ("e0002", "e0001")


def test_a_design_above_the_limit_ranks_last(campaign: Scribe) -> None:
    """However good its measurements are."""
    campaign.finish_scored(1, 9.0, within=False)
    campaign.finish_scored(2, -9.0)
    assert campaign.status().ranking == ("e0002", "e0001")


def test_a_lucky_design_of_poor_relatives_falls_behind_one_of_good_relatives(campaign: Scribe) -> None:
    """Its units have always been poor, so its measurement is taken for noise."""
    for slot in range(1, 11):
        campaign.finish_scored(slot, 2.0 + 0.1 * (slot % 3), gate="silu")
        campaign.finish_scored(100 + slot, -2.0 + 0.1 * (slot % 3), gate="none")
    campaign.finish_scored(200, 2.6, gate="none")
    assert campaign.status().ranking.index("e0200") > 5
    rows = answer(Knowledge(campaign.store), AskExperiments()).rows  # type: ignore[attr-defined]
    ranked = sorted(rows, key=lambda row: row.rank_key)
    assert tuple(row.id for row in ranked) == campaign.status().ranking


def test_scores_are_as_of_a_position(campaign: Scribe, tmp_path: object) -> None:
    """What memory has read since changes no earlier ranking, whichever was asked first."""
    positions = [campaign.finish_scored(slot, (slot * 7) % 5 - 2.0, gate=f"g{slot % 3}") for slot in range(1, 20)]
    later = [campaign.status(at).ranking for at in reversed(positions)][::-1]
    scores = [campaign.experiment("e0001", at).score for at in positions]
    with Store(campaign.store.path.with_name("again.duckdb")) as store:
        other = Scribe(store)
        other.start(objective=OBJECTIVE)
        for slot, at in enumerate(positions, 1):
            assert other.finish_scored(slot, (slot * 7) % 5 - 2.0, gate=f"g{slot % 3}") == at
            assert other.status().ranking == later[slot - 1]
            assert other.experiment("e0001").score == scores[slot - 1]


def test_a_restart_reads_the_objectives_from_the_file(campaign: Scribe) -> None:
    """The rows of the file give the same ranking."""
    for slot, objective in enumerate((-3.0, 2.0, 0.0), 1):
        campaign.finish_scored(slot, objective)
    before = campaign.status().ranking
    campaign.store.commit()
    campaign.store.close()
    with Store(campaign.store.path) as store:
        assert Scribe(store).status().ranking == before
