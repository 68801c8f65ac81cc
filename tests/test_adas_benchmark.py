"""The benchmark of meta-search: its controls, and the programs that it runs in its own process."""

import pytest

from agents.meta.rendering import render
from agents.meta.seeds import SEEDS
from benchmarks.adas import __main__ as command
from benchmarks.adas.controls import FLAT, FOUND_SHARE, PLANTED, PLANTED_SEEDS, PlantedCampaign, claims_a_gain
from benchmarks.adas.trusted import trusted
from lab.researchers.families import Family
from lab.researchers.landscapes import EpistaticLandscape
from lab.researchers.scoring import Scorer
from tests.support.programs import policy_of

HILL = (Family("trusted-hill", "search", EpistaticLandscape("trusted-hill", axes=6, options=3, k=0, noise=0.1), 20),)


def test_a_trusted_program_is_timed_and_suggests_the_same() -> None:
    """The questions that it asks are answered on the benchmark's time."""
    source = render(SEEDS["quality_diversity"], "timed")
    with trusted(source) as program:
        assert program.cpu_seconds == 0
        score = Scorer(HILL, 0, lambda _: trusted(source)).evaluate(source, "search")
    assert score.families["trusted-hill"].cpu_seconds > 0
    assert policy_of(source).name == "timed"


def test_no_program_is_better_on_flat_ground() -> None:
    """All gains there are noise, and one campaign claims none."""
    assert {family.split for family in FLAT} == {"search", "validation", "held_out"}
    assert not claims_a_gain(0)


def test_the_planted_program_is_no_seed() -> None:
    """A campaign has to find it, or one that is as good."""
    assert PLANTED.digest() not in {SEEDS[name].digest() for name in PLANTED_SEEDS}
    assert PlantedCampaign(0.1, 1.0, FOUND_SHARE, promoted=True).is_found
    assert not PlantedCampaign(0.1, 1.0, FOUND_SHARE - 0.01, promoted=True).is_found


def test_an_unknown_section_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It lists the sections."""
    monkeypatch.setattr("sys.argv", ["adas", "--only", "luck"])
    assert command.main() == 2
    assert "sections: canaries, null, planted, cost, gain, transfer" in capsys.readouterr().err
