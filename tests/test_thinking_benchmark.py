"""The yield of the researcher's conversation, on fewer slots than `python -m benchmarks.thinking` has."""

from statistics import fmean

import pytest

from benchmarks.faulty_designer import Skill
from benchmarks.thinking import ARMS, figures, run, theory

SLOTS = 120


def test_unit_by_unit_takes_the_theorys_number_of_requests() -> None:
    """Within 15 %: what passes is frozen, so n units take n / p answers and not 1 / pⁿ files."""
    skill = Skill(repeat=0.0)
    outcomes = run(ARMS["unit by unit"], SLOTS, 1, skill)
    assert fmean(outcome.requests for outcome in outcomes) == pytest.approx(theory(skill, until_new=False), rel=0.15)


def test_self_correction_and_feedback_fill_more_slots() -> None:
    """Each mechanism adds slots that a model fills; the yield per request of self-correction is the higher one."""
    filled = [
        figures(run(ARMS[name], SLOTS, 1, Skill()), 1)
        for name in ("whole file", "whole file + self-correction", "whole file + self-correction + novelty feedback")
    ]
    shares = [arm["slots_filled"] for arm in filled]
    assert shares == sorted(shares)
    assert filled[1]["designs_per_request"] > filled[0]["designs_per_request"]
