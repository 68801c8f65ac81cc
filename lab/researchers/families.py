"""Families of landscapes, split so that what is claimed was not what was tuned.

Programs evolve on the families of `search`. The winner is chosen on those of `validation`. The families of `held_out`
are looked at once, at the end. No landscape of one split occurs in another, and each split has its own seeds.

Tables of measured designs are families too, next to the simulated ones. Programs evolve on the lab's own mixers, and
the data sets of NAS-Bench-Graph share a space, so neither is held out: NAS-Bench-201 and HW-GPT-Bench are like nothing
that a program has seen.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bus.vocabulary.events import Split
from bus.wire.ids import derive
from lab.errors import LabError
from lab.researchers.landscapes import EpistaticLandscape, Landscape, MixerLandscape
from lab.researchers.measured import FILE, MeasuredMixers
from lab.researchers.published import PUBLISHED

SEEDS_PER_FAMILY = 8
DESIGNS = 60
"""Designs of one search."""
MIXERS = "mixers"
TABLE_SPLITS: Mapping[str, Split] = {
    MIXERS: "search",
    "nas-bench-graph-arxiv": "validation",
    "nas-bench-graph-computers": "validation",
    "nas-bench-graph-cora": "validation",
    "nas-bench-macro": "validation",
    "nas-bench-201": "held_out",
    "hw-gpt-bench-s": "held_out",
}
"""Table → its split."""
MIXER_DESIGNS = 40
"""Designs of one search in the lab's own grammar."""


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
        Family("mixers-simulated", "search", MixerLandscape(), designs=MIXER_DESIGNS),
        Family("paired", "validation", EpistaticLandscape("paired", axes=14, options=3, k=1, noise=0.3)),
        Family("noisy", "validation", EpistaticLandscape("noisy", axes=12, options=4, k=1, noise=0.8)),
        Family("wide", "held_out", EpistaticLandscape("wide", axes=20, options=5, k=1, noise=0.3)),
        Family("epistatic", "held_out", EpistaticLandscape("epistatic", axes=8, options=4, k=2, noise=0.2)),
    )


def table_families(folders: Sequence[Path]) -> tuple[Family, ...]:
    """Return the tables whose files are in a folder, or whose package is installed, as families; none without folders.

    A table that is absent is skipped with a line on stderr. Raises LabError if a split has none.
    """
    found = tuple(filter(None, (_found(name, folders) for name in TABLE_SPLITS if folders)))
    for split in sorted(set(TABLE_SPLITS.values())) if folders else ():
        if not any(family.split == split for family in found):
            wanted = ", ".join(name for name, of in TABLE_SPLITS.items() if of == split)
            raise LabError(f"no table for {split} in {', '.join(map(str, folders))}; hint: it needs one of {wanted}")
    return found


def _found(name: str, folders: Sequence[Path]) -> Family | None:
    """Return a table from the first folder that has it."""
    split, faults = TABLE_SPLITS[name], list[Exception]()
    for folder in folders:
        try:
            if name == MIXERS:
                return Family(name, split, MeasuredMixers(folder / FILE), designs=MIXER_DESIGNS)
            return Family(name, split, PUBLISHED[name](folder))
        except (OSError, ImportError) as error:
            faults.append(error)
    print(f"skipped {name}: {faults[0]}", file=sys.stderr)
    return None
