"""A thousand campaigns in virtual time, each by its own seed: nothing is lost, nothing is done twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.vocabulary.events import AnalysisReady, CodeFailed
from lab.operations.replay import rebuild
from tests.support.simulated_campaigns import campaign, quarantined, simulate, told_by
from tests.support.simulation import Archive, remembering

CAMPAIGNS, BLOCKS = 1000, 10
WITNESS = 38
"""A seed with several slots, and people who speak."""
SUSPECTS = {8: "not_reproduced", 9: "causality", 13: "AnalysisReady"}
"""Seeds of campaigns with a quarantined experiment, and how it ends."""


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


@pytest.mark.parametrize(("seed", "end"), SUSPECTS.items())
def test_what_is_too_good_ends_in_every_way(tmp_path: Path, seed: int, end: str) -> None:
    """Among the thousand are campaigns whose quarantined experiments are borne out, are not, or fail when run again."""
    archive = Archive(tmp_path)
    campaign(archive, seed).run()
    suspects = quarantined(archive.log)
    said = [one for one in archive.log if (one.campaign, one.experiment) in suspects]
    given_up = {one.event.reason for one in said if isinstance(one.event, CodeFailed) and one.event.final}
    assert given_up | {one.type for one in said if isinstance(one.event, AnalysisReady)} == {end}


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
