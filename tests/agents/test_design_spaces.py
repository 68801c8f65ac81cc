"""The contract of a design space, and what a campaign does with one that is not the mixer grammar."""

from random import Random

import pytest

from agents.design import BASELINES, NEUTRAL, draw_design
from agents.search.breeding import Donor, baseline_proposal, breed, select_donors
from agents.search.guidance import wish_in_force
from agents.search.space import DesignSpace
from agents.search.spaces import register, space_named
from bus.vocabulary.events import ProposalRequested
from bus.vocabulary.queries import CampaignStatus, Experiment
from tests.support.factories import campaign_started
from tests.support.tiny_space import DigitSpace

DIGITS = DigitSpace()
register(DIGITS)
EVERY_SPACE = pytest.mark.parametrize("space", [space_named("mixers"), DIGITS], ids=lambda space: space.name)


@EVERY_SPACE
def test_a_design_survives_the_log(space: DesignSpace) -> None:
    """Its JSON form gives an equal design back, and anything else raises ValueError."""
    random = Random(0)
    for _ in range(30):
        design = space.random(random)
        assert space.from_json(space.to_json(design)) == design
    with pytest.raises(ValueError, match=r"no |needs"):
        space.from_json({"surprise": 1})


@EVERY_SPACE
def test_one_seed_gives_one_sequence(space: DesignSpace) -> None:
    """Random designs, mutations and crossovers depend on nothing but the generator."""

    def sequence() -> list[object]:
        random = Random(3)
        designs = [space.random(random) for _ in range(5)]
        designs += [space.mutate(designs[0], random), space.crossover(designs[1], designs[2], random)]
        return [*designs, space.vary(designs[3], designs[:3], random, {})]

    assert sequence() == sequence()


@EVERY_SPACE
def test_a_mutation_differs_from_its_parent(space: DesignSpace) -> None:
    """It is another design, with another JSON form and another source."""
    random = Random(1)
    for _ in range(30):
        parent = space.random(random)
        child = space.mutate(parent, random)
        assert child != parent
        assert space.to_json(child) != space.to_json(parent)
        assert space.source(child) != space.source(parent)


@EVERY_SPACE
def test_axes_and_behaviour_describe_every_design(space: DesignSpace) -> None:
    """Different designs differ in their axes, and share the cells of an archive."""
    random = Random(2)
    designs = [space.random(random) for _ in range(50)]
    different = len({space.source(design) for design in designs})
    assert len({tuple(space.axes(design).items()) for design in designs}) == different
    assert 1 < len({space.behaviour(design) for design in designs}) < different


@EVERY_SPACE
def test_preferences_choose_the_operator(space: DesignSpace) -> None:
    """A factor of 0 on the others leaves one operator."""
    random = Random(4)
    parent, mate = space.random(random), space.random(random)
    for chosen in ("mutate", "scratch"):
        others = {name: 0.0 for name in ("mutate", "crossover", "scratch") if name != chosen}
        assert {space.vary(parent, [mate], random, others).operator.split(":")[0] for _ in range(20)} == {chosen}


def test_a_proposal_is_bred_in_the_space_of_the_request() -> None:
    """Founder, parent and child are designs of that space."""
    founder = baseline_proposal(ProposalRequested(slot=0, arm="baseline", baseline="zeros", space="digits"))
    assert founder
    assert founder.design == DIGITS.to_json((0, 0, 0, 0))
    row = Experiment(id="e0001", status="analysed", design=DIGITS.to_json((1, 2, 0, 1)))
    request = ProposalRequested(slot=1, arm="guided", space="digits", parent="e0001", preferences={"scratch": 0.0})
    donors = select_donors(request, [row], ["zeros"])
    assert donors == (Donor("e0001", (1, 2, 0, 1)),)
    child = breed(request, donors, bias=NEUTRAL, cognition=(), random=Random(0))
    bred = DIGITS.from_json(child.design)
    assert sum(new != old for new, old in zip(bred, (1, 2, 0, 1), strict=True)) == 1
    assert (child.parent, child.operator) == ("e0001", "mutate")


def test_people_steer_the_mixer_grammar_alone() -> None:
    """A wish names units of that grammar, so in another space there is none."""
    roles = {"director": {"steering": "wishes"}}
    of_mixers, of_digits = (
        CampaignStatus(started=campaign_started(space=space, roles=roles), guidance=("use the delta rule",))
        for space in ("mixers", "digits")
    )
    assert wish_in_force(of_mixers)
    assert wish_in_force(of_digits) is None


def test_an_unknown_space_is_named_in_the_error() -> None:
    """The error lists those that are known; a second space can't take a name."""
    with pytest.raises(ValueError, match=r"unknown design space 'os\.path'; spaces: .*mixers"):
        space_named("os.path")
    with pytest.raises(ValueError, match="already"):
        register(DigitSpace())


def test_behaviour_of_a_mixer_is_its_paths_and_its_state() -> None:
    """Two baselines with one square memory share a cell; other paths, or wider keys, make another one."""
    cells = {name: space_named("mixers").behaviour(human.design) for name, human in BASELINES.items()}
    assert cells["gla"] == ("memory", "0.5")
    drawn = {space_named("mixers").behaviour(draw_design(Random(seed))) for seed in range(300)}
    assert {paths for paths, _ in drawn} > {"memory", "memory+window", "memory+convolution"}
