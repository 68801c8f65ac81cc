"""The statistics of `benchmarks.fidelity`, on scores with known results."""

import numpy as np
import pytest

from agents.analysis.evidence.rank_statistics import agreement, reliability, spread_to_noise


def test_the_same_order_agrees_and_the_reverse_order_disagrees() -> None:
    """The correlations depend on the order alone, not on distances; the interval contains the value."""
    cheap = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
    assert agreement(cheap, cheap**3)["spearman"]["value"] == 1.0
    assert agreement(cheap, -cheap)["kendall"]["value"] == -1.0
    result = agreement(np.arange(12.0), np.array([1, 0, 2, 4, 3, 5, 7, 6, 8, 10, 9, 11.0]))["spearman"]
    low, high = result["interval"]
    assert 0.5 < low < result["value"] < high <= 1.0


def test_ties_have_no_ranks() -> None:
    """Scores that are all equal raise ValueError."""
    with pytest.raises(ValueError, match="no ranks"):
        agreement(np.ones(5), np.arange(5.0))


def test_spread_is_between_designs_and_noise_within() -> None:
    """The designs have the means 0, 1 and 2; their seeds are one above and one below."""
    assert spread_to_noise(np.array([[-1.0, 1], [0, 2], [1, 3]])) == {"spread": 1.0, "noise": 1.4142, "ratio": 0.71}
    assert spread_to_noise(np.array([[0.0], [1], [2]])) == {"spread": 1.0, "noise": None, "ratio": None}


def test_reliability_is_the_share_of_variance_that_designs_make() -> None:
    """Variance 2 within; the means' variance of 9 has 1 from the noise of two seeds, so 8 of 10 are the designs'."""
    assert reliability(np.array([[-4.0, -2], [-1, 1], [2, 4]])) == 0.8
    assert reliability(np.array([[-1.0, 1], [-1, 1]])) == 0.0
    assert reliability(np.array([[0.0], [1]])) is None
