"""Families of landscapes, split so that what is claimed was not what was tuned.

Programs evolve on the families of `search`. The winner is chosen on those of `validation`. The families of `held_out`
are looked at once, at the end. No landscape of one split occurs in another, and each split has its own seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bus.vocabulary.events import Split
from bus.wire.ids import derive
from lab.researchers.landscapes import EpistaticLandscape, Landscape, MixerLandscape

SEEDS_PER_FAMILY = 8
DESIGNS = 60
"""Designs of one search."""


@dataclass(frozen=True)
class Family:
    """Landscapes of one kind."""

    name: str
    split: Split
    landscape: Landscape
    designs: int = DESIGNS
    """Designs of one search."""

    def seeds(self, root: int, count: int = SEEDS_PER_FAMILY) -> Sequence[int]:
        """Return seeds that a root determines: the same for every program, others for every split."""
        return [int(derive(root, self.split, self.name, number)[:12], 16) for number in range(count)]


def simulated_families() -> tuple[Family, ...]:
    """Return the families that need no file: additive, rugged and noisy landscapes, and the lab's own grammar."""
    return (
        Family("additive", "search", EpistaticLandscape("additive", axes=12, options=4, k=0, noise=0.3)),
        Family("rugged", "search", EpistaticLandscape("rugged", axes=10, options=3, k=3, noise=0.3)),
        Family("mixers-simulated", "search", MixerLandscape(), designs=40),
        Family("paired", "validation", EpistaticLandscape("paired", axes=14, options=3, k=1, noise=0.3)),
        Family("noisy", "validation", EpistaticLandscape("noisy", axes=12, options=4, k=1, noise=0.8)),
        Family("wide", "held_out", EpistaticLandscape("wide", axes=20, options=5, k=1, noise=0.3)),
        Family("epistatic", "held_out", EpistaticLandscape("epistatic", axes=8, options=4, k=2, noise=0.2)),
    )
