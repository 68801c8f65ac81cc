"""The design index: its distances are those of `edits`, over all designs of a campaign up to a position."""

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.novelty import breed_population
from bus.vocabulary.design_edits import MAX_PATHS, design_items, edits
from bus.vocabulary.events import ProposalCreated
from bus.wire.envelope import Envelope
from memory.projections import rows
from memory.retrieval.designs import DECIMALS, DesignIndex
from memory.state.campaign_state import CampaignState
from memory.state.read_model import ReadModel

Json = dict[str, Any]

AXES = st.sampled_from(["kind", "norm", "gate", "decay"])
UNITS = st.one_of(st.sampled_from(["memory", "window", "none"]), st.integers(0, 200), st.none(), st.just(["silu"]))
PATHS = st.one_of(
    st.lists(st.one_of(st.dictionaries(AXES, UNITS), st.just("no path")), max_size=MAX_PATHS + 2), st.just("no list")
)
ODD_DESIGNS = st.builds(
    lambda frame, paths: frame | paths,
    st.dictionaries(AXES, UNITS),
    st.fixed_dictionaries({}, optional={"paths": PATHS}),
)
"""Designs of no grammar: any number of paths, parts that are no paths, and units that few others have."""


def campaign_of(designs: Sequence[Json | None], campaign: str = "c", first_seq: int = 1) -> CampaignState:
    """Return the state of a campaign that has proposed these designs; None stands for an idea without one."""
    model = ReadModel()
    for seq, design in enumerate(designs, first_seq):
        idea = ProposalCreated(name="n", motivation="m", source="s", origin="genetic", design=design)
        now = datetime.now(UTC)
        envelope = Envelope(f"id{seq}", "/lab/researcher/1", now, campaign, f"e{seq:04}", idea, None, seq)
        for row in rows(envelope):
            if row.held:
                model.apply(row)
    return model.campaign(campaign)


def compare_all(designs: Sequence[Json | None], design: Json, k: int) -> list[tuple[str, int]]:
    """Compare a design with each one; return the experiments of the k nearest, of equals the earliest."""
    wanted = design_items(design)
    distances = [(edits(wanted, design_items(each)), seq) for seq, each in enumerate(designs, 1) if each is not None]
    return [(f"e{seq:04}", distance) for distance, seq in sorted(distances)[:k]]


def nearest(index: DesignIndex, campaign: CampaignState, design: Json, count: int, k: int) -> list[tuple[str, int]]:
    """Search the index; return the experiments of the k nearest with their distances."""
    return [(proposal.experiment, far) for proposal, far in index.nearest(campaign, design, count, k)]


def expected_novelty(designs: Sequence[Json | None], place: int) -> float | None:
    """Return the share of a design's items that differ from the nearest before it."""
    design = designs[place]
    if design is None:
        return None
    before = compare_all(designs[:place], design, 1)
    return round(min(1.0, before[0][1] / max(1, design_items(design).size)), DECIMALS) if before else 1.0


@pytest.fixture(scope="module")
def bred() -> list[Json | None]:
    """Return the designs of 300 ideas of the grammar; every seventh idea has lost its own."""
    ideas = breed_population(300, Random(1))
    return [None if number % 7 == 3 else idea.design for number, idea in enumerate(ideas)]


def test_a_search_finds_what_comparing_all_finds(bred: list[Json | None]) -> None:
    """For designs of the grammar, which have one to three paths, as of any position; of equals the earliest first."""
    index, campaign = DesignIndex(), campaign_of(bred)
    wanted = [idea.design or {} for idea in breed_population(8, Random(2))]
    for count in (len(bred), 0, 1, 64, 65, 200):
        for k in (1, 6, 400):
            for design in wanted:
                assert nearest(index, campaign, design, count, k) == compare_all(bred[:count], design, k)


def test_novelty_is_the_share_of_units_that_differ_from_the_nearest_before(bred: list[Json | None]) -> None:
    """Later designs don't change it: an index that has read all agrees with one that reads on as it goes."""
    campaign = campaign_of(bred)
    expected = [expected_novelty(bred, place) for place in range(len(bred))]
    assert len(set(expected)) > 10
    for order in (1, -1):
        index = DesignIndex()
        novelty = [index.novelty(campaign, proposal) for proposal in campaign.proposals[::order]]
        assert novelty[::order] == expected


@settings(deadline=None)
@given(st.lists(st.one_of(ODD_DESIGNS, st.none()), max_size=9), ODD_DESIGNS, st.integers(1, 9))
def test_designs_of_no_grammar_are_compared_alike(designs: list[Json | None], wanted: Json, k: int) -> None:
    """A search, a distance and a novelty are those of `edits`, in whatever order the positions are asked about."""
    index, campaign = DesignIndex(), campaign_of(designs)
    for count in (len(designs) // 2, len(designs), *range(len(designs))):
        assert nearest(index, campaign, wanted, count, k) == compare_all(designs[:count], wanted, k)
    for place, (proposal, design) in enumerate(zip(campaign.proposals, designs, strict=True)):
        distance = None if design is None else edits(design_items(wanted), design_items(design))
        assert index.distance(wanted, proposal) == distance
        assert index.novelty(campaign, proposal) == expected_novelty(designs, place)


def test_paths_are_paired_in_any_order() -> None:
    """A design is at no distance from one that lists the same paths otherwise."""
    paths = [{"kind": "memory", "decay": key} for key in "abcd"]
    index, campaign = DesignIndex(), campaign_of([{"paths": paths[::-1]}, {"paths": paths[:2]}])
    assert nearest(index, campaign, {"paths": paths}, 2, 2) == [("e0001", 0), ("e0002", 4)]


def test_each_campaign_has_its_own_designs() -> None:
    """Another campaign's ideas make none less novel, and are no neighbours."""
    index, silu, none = DesignIndex(), {"gate": "silu"}, {"gate": "none"}
    campaigns = campaign_of([silu, silu], "c"), campaign_of([none, silu], "d", first_seq=3)
    novelties = [[index.novelty(campaign, idea) for idea in campaign.proposals] for campaign in campaigns]
    assert novelties == [[1.0, 0.0], [1.0, 1.0]]
    assert nearest(index, campaigns[1], silu, 2, 4) == [("e0004", 0), ("e0003", 1)]
