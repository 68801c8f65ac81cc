"""The design index: the designs of each campaign's proposals, compared by their units in one pass over all of them.

Design i of a campaign belongs to its i-th proposal, so "as of a position" means the first so many designs. Distances
are those of `bus.vocabulary.design_edits`, computed with bit sets: every item has a bit, and the bits that two sets
share are counted. 10,000 designs take a few milliseconds.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bus.vocabulary.design_edits import MAX_PATHS, DesignItems, Items, design_items, edits
from memory.projections import ProposalRow
from memory.state.campaign_state import CampaignState

SETS = 1 + MAX_PATHS
"""Sets of items of a design: its frame, and each path."""
WORD_BITS = 64
INITIAL_CAPACITY = 64
FAR = 10_000
"""The distance to a proposal without a design; no two designs are so far apart."""
DECIMALS = 5
"""Decimals of a novelty."""


class DesignBits:
    """Designs as bit sets, in the order they were added."""

    def __init__(self) -> None:
        """Begin empty."""
        self._bit_of: dict[str, int] = {}
        self._bits = np.zeros((SETS, 1, INITIAL_CAPACITY), np.uint64)
        """By set, word and design: what is read together lies together."""
        self._sizes = np.zeros((SETS, INITIAL_CAPACITY), np.int32)
        self._has_design = np.zeros(INITIAL_CAPACITY, np.bool_)
        self._paths = 0
        """The most paths of a design."""
        self._count = 0

    def __len__(self) -> int:
        """Count the designs, those that are missing included."""
        return self._count

    def add(self, design: DesignItems | None) -> None:
        """Add a design; None keeps the place of a proposal without one."""
        if self._count == len(self._has_design):
            self._bits, self._sizes, self._has_design = (
                np.concatenate([array, np.zeros_like(array)], axis=-1)
                for array in (self._bits, self._sizes, self._has_design)
            )
        if design is not None:
            self._set(self._count, design)
        self._count += 1

    def distances(self, design: DesignItems, count: int) -> NDArray[np.int32]:
        """Return the distances [count] to the first `count` designs, FAR for a missing one."""
        sets = (design.frame, *design.paths)
        distances = self._edits(design.frame, 0, count)
        paths = max(self._paths, len(design.paths))
        table = [
            [self._edits(sets[i] if i < len(sets) else Items(), j, count) for j in range(1, paths + 1)]
            for i in range(1, paths + 1)
        ]
        if table:
            distances = distances + np.minimum.reduce(
                [_pairing_edits(table, order) for order in permutations(range(paths))]
            )
        return np.where(self._has_design[:count], distances, FAR).astype(np.int32)

    def _edits(self, items: Items, place: int, count: int) -> NDArray[np.int32]:
        """Return the edits [count] from a set of items to the sets at a place of the first designs."""
        edits = np.maximum(self._sizes[place, :count], np.int32(len(items)))
        for word, mask in enumerate(self._mask(items)):
            if mask:
                edits -= np.bitwise_count(self._bits[place, word, :count] & mask)
        return edits

    def _set(self, index: int, design: DesignItems) -> None:
        self._paths = max(self._paths, len(design.paths))
        self._has_design[index] = True
        for place, items in enumerate((design.frame, *design.paths)):
            for item in items:
                self._bit_of.setdefault(item, len(self._bit_of))
            missing = -(-len(self._bit_of) // WORD_BITS) - self._bits.shape[1]
            if missing > 0:
                self._bits = np.pad(self._bits, ((0, 0), (0, missing), (0, 0)))
            self._bits[place, :, index] = self._mask(items)
            self._sizes[place, index] = len(items)

    def _mask(self, items: Items) -> NDArray[np.uint64]:
        """Return a set's bits [words]; an item that no design has counts in the size of the set alone."""
        words = [0] * self._bits.shape[1]
        for bit in (self._bit_of[item] for item in items if item in self._bit_of):
            words[bit // WORD_BITS] |= 1 << bit % WORD_BITS
        return np.array(words, np.uint64)


def _pairing_edits(table: Sequence[Sequence[NDArray[np.int32]]], order: Sequence[int]) -> NDArray[np.int32]:
    """Return the edits [count] if path i is paired with path `order[i]`."""
    return np.add.reduce([table[i][j] for i, j in enumerate(order)], dtype=np.int32)


class DesignIndex:
    """The designs of every campaign, read from its proposals when they are first compared."""

    def __init__(self) -> None:
        """Begin empty."""
        self._campaigns: defaultdict[str, DesignBits] = defaultdict(DesignBits)
        self._novelty: dict[int, float] = {}
        """The novelty of proposals by their positions: later designs don't change it."""

    def nearest(
        self, campaign: CampaignState, design: Mapping[str, Any], count: int, k: int
    ) -> list[tuple[ProposalRow, int]]:
        """Return the k nearest designs of the first `count` proposals with their distances; of equals, the earliest."""
        distances = self._caught_up(campaign, count).distances(design_items(design), count)
        nearest = np.argsort(distances, kind="stable")[:k].tolist()
        return [(campaign.proposals[index], int(distances[index])) for index in nearest if distances[index] < FAR]

    def novelty(self, campaign: CampaignState, proposal: ProposalRow) -> float | None:
        """Return the share of a design's units that differ from the nearest earlier design, at most 1; 1 for the first.

        None for a proposal without a design.
        """
        if proposal.seq in self._novelty:
            return self._novelty[proposal.seq]
        items = proposal_items(proposal)
        if items is None:
            return None
        count = campaign.proposal_index(proposal)
        nearest = self._caught_up(campaign, count).distances(items, count).min(initial=FAR)
        novelty = self._novelty[proposal.seq] = round(min(1.0, float(nearest) / max(1, items.size)), DECIMALS)
        return novelty

    def distance(self, design: Mapping[str, Any], proposal: ProposalRow) -> int | None:
        """Return how many units a design and a proposal's differ in; None if the proposal has no design."""
        items = proposal_items(proposal)
        return None if items is None else edits(design_items(design), items)

    def _caught_up(self, campaign: CampaignState, count: int) -> DesignBits:
        """Return the campaign's designs with at least the first `count`."""
        designs = self._campaigns[campaign.id]
        for proposal in campaign.proposals[len(designs) : count]:
            designs.add(proposal_items(proposal))
        return designs


def proposal_items(proposal: ProposalRow) -> DesignItems | None:
    """Return the items of a proposal's design; None if it has none."""
    return design_items(json.loads(proposal.design)) if proposal.design else None
