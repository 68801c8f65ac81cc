"""A thousand campaigns in virtual time, each by its own seed: nothing is lost, nothing is done twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.events import AnalysisReady, CodeFailed
from lab.lookback import rebuild
from tests.chaos.simulated import campaign, quarantined, simulate, told_by
from tests.chaos.simulation import Archive, remembering

CAMPAIGNS, BLOCKS = 1000, 10
WITNESS = 38
"""A seed with several slots, and people who speak."""


@pytest.fixture(scope="module", autouse=True)
def _sources_remembering() -> Iterator[None]:
    with remembering():
        yield


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_campaign_keeps_its_word_under_every_schedule(tmp_path: Path, block: int) -> None:
    """A hundred campaigns in a row; then their memory, which died now and then, is what the log makes of it."""
    archive, quiet = Archive(tmp_path / "storm"), Archive(tmp_path / "quiet")
    for seed in range(block, CAMPAIGNS, BLOCKS):
        assert simulate(archive, quiet, seed) == [], told_by(seed)
    assert archive.store.digest() == rebuild(archive.log)["digest"]
    assert _ends_of_suspects(archive) >= {"AnalysisReady", "not_reproduced"}, "quarantine was not tried"


def _ends_of_suspects(archive: Archive) -> set[str]:
    """Return how what was too good ended: analysed, or the reason it was given up for."""
    suspects = quarantined(archive.log)
    ends = [said for said in archive.log if (said.campaign, said.experiment) in suspects]
    given_up = {said.event.reason for said in ends if isinstance(said.event, CodeFailed) and said.event.final}
    return given_up | {said.type for said in ends if isinstance(said.event, AnalysisReady)}


def test_a_seed_is_a_campaign(tmp_path: Path) -> None:
    """Alone it takes the same course as among others."""
    alone, among = Archive(tmp_path / "alone"), Archive(tmp_path / "among")
    courses = []
    for archive, seeds in ((alone, [WITNESS]), (among, [0, 1, WITNESS])):
        for seed in seeds:
            lab = campaign(archive, seed)
            lab.run()
        courses.append([said.id for said in lab.log])
    assert courses[0] == courses[1]
