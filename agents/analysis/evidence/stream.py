"""The error level of each candidate of a campaign, and corrections for how many were verified.

e-LOND with even shares: a plan verifies at most N candidates, and each is tested at

    level = α · (discoveries + 1) / N

It is confirmed when its evidence reaches 1/level. Without a gain that happens with probability at most the level, so if
no candidate has a gain, the probability of any confirmation is at most N · α/N = α. With discoveries, the false
discovery rate is at most α: a confirmed candidate raises the count that its level was taken from by at least one, so

    FDR = Σ E[1{k confirmed} / discoveries at the end] ≤ Σ E[e_k · α/N] ≤ α    over the candidates without a gain,

where e_k is what the bets of k paid when it stopped: its e-value, or 1/level if the last look confirmed it. Neither
line asks for independence: all candidates are measured against the same runs of the baselines, on the same documents.
Tests may overlap, and a level may rise while a test runs, if another candidate is confirmed meanwhile. The second
line takes E[e_k] ≤ 1, which is exact if k stops by its own statistics. That the shared runs also move its level,
through the other candidates, is checked by simulation (`python -m benchmarks.evidence`, three with a gain).

A structure counts once: a near-duplicate of a verified design is not verified again (`admits`).

Sources: Xu and Ramdas, 2311.06412 (e-LOND); Javanmard and Montanari, 1502.06197 (LOND); Holm 1979.
"""

from collections.abc import Collection, Sequence


def share(*, candidates: int, discoveries: int = 0) -> float:
    """Return the share of α that a candidate gets in a plan for at most `candidates` of them.

    `discoveries` are those confirmed so far, without this one.
    """
    return min(1.0, (discoveries + 1) / candidates)


def level(alpha: float, *, candidates: int, discoveries: int = 0) -> float:
    """Return the error level of a candidate; at most α."""
    return alpha * share(candidates=candidates, discoveries=discoveries)


def admits(verified: Collection[str], structure: str, candidates: int) -> bool:
    """Return whether a candidate may be verified: its structure is new, and the plan has room.

    `verified` are the fingerprints of the structures that were verified or are being verified.
    """
    return structure not in verified and len(set(verified)) < candidates


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
