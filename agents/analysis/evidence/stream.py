"""The error level of each candidate of a campaign, and corrections for how many were verified.

e-LOND: the k-th candidate to be verified gets level_k = α · γ_k · (discoveries + 1). It is confirmed when its e-value
reaches 1/level_k. The false discovery rate is then at most α, whatever the dependence between candidates:

    FDR = Σ E[1{k confirmed} / discoveries at the end] ≤ Σ E[e_k · α·γ_k] ≤ α    over the candidates without a gain,

since a confirmed candidate raises the count that its level was taken from by at least one. The same line shows that
tests may overlap, and that a level may rise while a test runs if another candidate is confirmed meanwhile. Where no
candidate has a gain, the rate is the probability of any confirmation at all.

A structure counts once: a near-duplicate of a verified design takes its verdict and no level (`position`).

Sources: Xu and Ramdas, 2311.06412 (e-LOND); Javanmard and Montanari, 1502.06197 (LOND); Holm 1979.
"""

from collections.abc import Sequence


def share(position: int, discoveries: int = 0) -> float:
    """Return the share of α of the candidate at a position ≥ 1 in the stream; γ_k = 1/(k(k+1)) adds up to 1.

    `discoveries` are those confirmed so far, without this one.
    """
    return (discoveries + 1) / (position * (position + 1))


def level(alpha: float, position: int, discoveries: int = 0) -> float:
    """Return the error level of the candidate at a position; at most α."""
    return alpha * min(1.0, share(position, discoveries))


def position(structures: Sequence[str], structure: str) -> int | None:
    """Return a new candidate's position after the verified ones, or None if its structure is among them.

    `structures` are the fingerprints of the candidates that were verified or are being verified, one each.
    """
    return None if structure in structures else len(set(structures)) + 1


def adjusted_p(e_value: float, share_of_alpha: float) -> float:
    """Return the smallest α at which a candidate with this e-value and this share would be confirmed, at most 1."""
    return min(1.0, 1.0 / (e_value * share_of_alpha)) if e_value * share_of_alpha > 0 else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values, in the order given; 1/e of a final batch are p values."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
