"""The noise of real runs, as measured at nano: what the simulated campaigns and intervals draw from.

A score is mean + seed + own. Runs of one seed see the same data in the same order, so the seed's part is shared by all
designs and cancels in a paired gain (`docs/explanation/evidence.md` says where the figures come from).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

RUN_SD = 0.018
"""Standard deviation of a text loss over seeds, nats per byte."""
SEED_CORRELATION = 0.40
"""Correlation of two designs' losses over shared seeds."""
OWN_SD = RUN_SD * (1.0 - SEED_CORRELATION) ** 0.5
PAIRED_SD = OWN_SD * 2.0**0.5
"""Standard deviation of a paired gain: .020."""
TWIN_CORRELATION = 0.9
"""Correlation of the own parts of near-duplicates."""
BLOCK_SD = 0.03
"""How much the gain differs between blocks of sealed text: .031 to .061 for baselines .10 to .28 nats apart at nano."""
CLOSE_BLOCK_SD = 0.01
"""The same for designs .025 apart: assumed, since it was a quarter of the gain for baselines."""
REST_SD = 0.025
"""What is left in the gain of one seed on one block: .025 to .031 for the same pairs."""
BLOCKS = 32


@dataclass(frozen=True, slots=True)
class SimulatedDesign:
    """A simulated candidate or baseline."""

    mean: float
    """Its true score; more is better."""
    structure: str
    """Fingerprint; near-duplicates share one."""


def own_scores(rng: np.random.Generator, design: SimulatedDesign, seeds: int, twin: Numbers | None = None) -> Numbers:
    """Return scores [seeds] without the part that all designs share; those of a near-duplicate follow its twin's."""
    noise = rng.standard_normal(seeds)
    if twin is not None:
        noise = TWIN_CORRELATION * twin / OWN_SD + (1 - TWIN_CORRELATION**2) ** 0.5 * noise
    return design.mean + OWN_SD * noise


def block_effects(rng: np.random.Generator, seeds: int, block_sd: float) -> Numbers:
    """Return what documents add to gains [seeds, blocks]: an effect of each block, and a rest with no mean by seed."""
    rest = REST_SD * rng.standard_normal((seeds, BLOCKS))
    return block_sd * rng.standard_normal(BLOCKS) + rest - rest.mean(axis=1, keepdims=True)
