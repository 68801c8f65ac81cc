"""The design index: one design is compared with all designs of a campaign at once, by their units.

Design i of a campaign belongs to its i-th proposal. So the designs up to a position are the first `count` ones.

Distances are those of `bus.vocabulary.design_edits`. A design is a few sets of items, and a set is stored as
bits: every item has a bit, in 64-bit words. The edits between two sets are the size of the larger one minus the number
of bits that they share. One comparison with 10,000 designs takes a few milliseconds.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import permutations
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bus.vocabulary.design_edits import MAX_PATHS, DesignItems, Items, design_items, edits
from memory.projections import ProposalRow
from memory.state.campaign_state import CampaignState

SETS = 1 + MAX_PATHS
"""Sets of items of one design: set 0 is its frame, set i its i-th path."""
WORD_BITS = 64
INITIAL_CAPACITY = 64
"""Designs that fit before the arrays are doubled."""
FAR = 10_000
"""The distance to a proposal without a design; no two designs are so far apart."""
DECIMALS = 5
"""Decimals of a novelty."""


class DesignBits:
    """Designs as bit sets, in the order they were added."""

    def __init__(self) -> None:
        """Begin empty."""
        self._bit_of: dict[str, int] = {}
        """The bit of each item, in the order the items were first added."""
        self._bits = np.zeros((SETS, 1, INITIAL_CAPACITY), np.uint64)
        """[SETS, words, capacity]: one word of all designs lies together, since it is read together."""
        self._sizes = np.zeros((SETS, INITIAL_CAPACITY), np.int32)
        """[SETS, capacity]: the number of items of each set."""
        self._has_design = np.zeros(INITIAL_CAPACITY, np.bool_)
        self._max_paths = 0
        """The most paths that a design has."""
        self._count = 0

    def __len__(self) -> int:
        """Count the proposals, those without a design included."""
        return self._count

    def add(self, design: DesignItems | None) -> None:
        """Add the design of the next proposal; None if it has none."""
        if self._count == len(self._has_design):
            self._bits, self._sizes, self._has_design = (
                np.concatenate([array, np.zeros_like(array)], axis=-1)
                for array in (self._bits, self._sizes, self._has_design)
            )
        if design is not None:
            self._store(self._count, design)
        self._count += 1

    def distances(self, design: DesignItems, count: int) -> NDArray[np.int32]:
        """Return the distances [count] to the designs of the first `count` proposals, FAR for one without a design."""
        distances = self._edits(design.frame, 0, count)
        path_count = max(self._max_paths, len(design.paths))
        paths = (*design.paths, *[Items()] * (path_count - len(design.paths)))
        path_edits = [[self._edits(path, index, count) for index in range(1, path_count + 1)] for path in paths]
        if path_edits:
            pairings = permutations(range(path_count))
            distances = distances + np.minimum.reduce([_pairing_edits(path_edits, pairing) for pairing in pairings])
        return np.where(self._has_design[:count], distances, FAR).astype(np.int32)

    def _edits(self, items: Items, set_index: int, count: int) -> NDArray[np.int32]:
        """Return the edits [count] from a set of items to one set of each of the first `count` designs."""
        result = np.maximum(self._sizes[set_index, :count], np.int32(len(items)))
        for word, mask in enumerate(self._words(items)):
            if mask:
                result -= np.bitwise_count(self._bits[set_index, word, :count] & mask)
        return result

    def _store(self, index: int, design: DesignItems) -> None:
        """Store a design as the design at an index."""
        self._max_paths = max(self._max_paths, len(design.paths))
        self._has_design[index] = True
        for set_index, items in enumerate((design.frame, *design.paths)):
            for item in items:
                self._bit_of.setdefault(item, len(self._bit_of))
            new_words = ceil(len(self._bit_of) / WORD_BITS) - self._bits.shape[1]
            if new_words > 0:
                self._bits = np.pad(self._bits, ((0, 0), (0, new_words), (0, 0)))
            self._bits[set_index, :, index] = self._words(items)
            self._sizes[set_index, index] = len(items)

    def _words(self, items: Items) -> NDArray[np.uint64]:
        """Return a set of items as bits [words]. An item that no design has gets no bit: no set can share it."""
        words = [0] * self._bits.shape[1]
        for bit in (self._bit_of[item] for item in items if item in self._bit_of):
            words[bit // WORD_BITS] |= 1 << bit % WORD_BITS
        return np.array(words, np.uint64)


def _pairing_edits(path_edits: Sequence[Sequence[NDArray[np.int32]]], pairing: Sequence[int]) -> NDArray[np.int32]:
    """Return the edits [count] of all paths if path i is paired with path `pairing[i]`."""
    return np.add.reduce([path_edits[i][j] for i, j in enumerate(pairing)], dtype=np.int32)


class DesignIndex:
    """The designs of every campaign, read from its proposals when they are first compared."""

    def __init__(self) -> None:
        """Begin empty."""
        self._campaigns: defaultdict[str, DesignBits] = defaultdict(DesignBits)
        self._novelty_at: dict[int, float] = {}
        """The novelty of proposals by their positions, kept because later designs don't change it."""

    def nearest(
        self, campaign: CampaignState, design: Mapping[str, Any], count: int, k: int
    ) -> list[tuple[ProposalRow, int]]:
        """Return the k nearest of the first `count` proposals with their distances, nearest first, then earliest."""
        distances = self._read_designs(campaign, count).distances(design_items(design), count)
        nearest = np.argsort(distances, kind="stable")[:k].tolist()
        return [(campaign.proposals[index], int(distances[index])) for index in nearest if distances[index] < FAR]

    def novelty(self, campaign: CampaignState, proposal: ProposalRow) -> float | None:
        """Return the share of a design's units that differ from the nearest earlier design, at most 1; 1 for the first.

        None for a proposal without a design.
        """
        if proposal.seq in self._novelty_at:
            return self._novelty_at[proposal.seq]
        items = proposal_items(proposal)
        if items is None:
            return None
        earlier = campaign.proposal_index(proposal)
        distance = self._read_designs(campaign, earlier).distances(items, earlier).min(initial=FAR)
        novelty = self._novelty_at[proposal.seq] = round(min(1.0, float(distance) / max(1, items.size)), DECIMALS)
        return novelty

    def distance(self, design: Mapping[str, Any], proposal: ProposalRow) -> int | None:
        """Return the distance between a design and a proposal's design; None if the proposal has none."""
        items = proposal_items(proposal)
        return None if items is None else edits(design_items(design), items)

    def _read_designs(self, campaign: CampaignState, count: int) -> DesignBits:
        """Return the campaign's designs, after reading those of the first `count` proposals that are not read yet."""
        designs = self._campaigns[campaign.id]
        for proposal in campaign.proposals[len(designs) : count]:
            designs.add(proposal_items(proposal))
        return designs


def proposal_items(proposal: ProposalRow) -> DesignItems | None:
    """Return the items of a proposal's design; None if it has none."""
    return design_items(json.loads(proposal.design)) if proposal.design else None
