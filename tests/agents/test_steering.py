"""Steering: proposals fulfil a wish that is in force, under every policy, and nothing else of the search changes."""

from random import Random

import pytest

from agents.design import BASELINES, Design, MemoryPath, WindowPath, vary
from agents.design.obeying import fulfils, has_unit, obey, vary_as_wished
from agents.design.published import PUBLISHED
from agents.design.wishes import wish_of
from agents.search import make_policy, policies
from agents.search.guidance import DirectorSettings, suited, wish_in_force
from benchmarks.steering import WISHES, Campaign, measure
from bus.vocabulary.events import Wish
from bus.vocabulary.queries import Ancestry, AskAncestry, CampaignStatus, Experiment
from tests.support.decisions import Driven, drive
from tests.support.factories import campaign_started

MIN_SHARE = 0.8
"""Least share of the next 20 proposals that fulfil a wish; what it rules out is in none of them."""
SAMPLE = (*WISHES[:5], "something like Mamba-2", "no gates, convolutions or windows", "data-dependent decay please")
WISH_ROLES = {"director": DirectorSettings().model_dump(mode="json")}


@pytest.fixture(scope="module", params=sorted(policies()))
def campaign(request: pytest.FixtureRequest) -> Campaign:
    """Return a campaign of forty experiments under each policy."""
    return Campaign.warmed_up(request.param, seed=1)


@pytest.mark.parametrize("text", SAMPLE)
def test_proposals_fulfil_a_wish_in_force(campaign: Campaign, text: str) -> None:
    """At least four in five of the next 20 do, and none has what the wish rules out."""
    assert measure(campaign, text, proposals=20).during >= MIN_SHARE
    wish, steered = wish_of([text]), campaign.with_guidance(text)
    assert wish
    designs = [steered.propose() for _ in range(5)]
    assert not [unit for design in designs for unit in wish.avoided if has_unit(design, unit)]


@pytest.mark.parametrize("text", ["something like Mamba-2", "not convolution"])
def test_a_wish_ends_with_its_withdrawal(campaign: Campaign, text: str) -> None:
    """What nearly every proposal did before is then again up to the search."""
    measured = measure(campaign, text, proposals=20)
    assert measured.after < measured.during


def test_every_wish_of_the_benchmark_is_understood() -> None:
    """There are at least thirty, and each names units."""
    assert len(WISHES) >= 30
    assert all(wish_of([text]) for text in WISHES)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_design_can_have_all_units_of_a_published_name(name: str) -> None:
    """The table asks for nothing that the grammar's rules exclude."""
    wish = Wish(wanted=tuple((unit,) for unit in PUBLISHED[name].split()))
    assert fulfils(obey(Design(), wish, Random(0)), wish)


def test_only_the_wished_axes_change() -> None:
    """The rest of the design stays as it is."""
    before = Design((MemoryPath(decay="channel", convolution="qkv"),), gate="silu")
    after = obey(before, Wish(wanted=(("present:bonus",),), avoided=("gate:silu",)), Random(3))
    (memory,) = after.paths
    assert isinstance(memory, MemoryPath)
    assert (memory.decay, memory.convolution, memory.present) == ("channel", "qkv", "bonus")
    assert after.gate != "silu"


def test_a_wish_that_no_design_fulfils_is_met_as_far_as_possible() -> None:
    """The delta rule needs keys of unit length."""
    wish = Wish(wanted=(("update:delta",), ("norm:rms",)))
    design = obey(Design(), wish, Random(0))
    assert [has_unit(design, unit) for (unit,) in wish.wanted].count(True) == 1


def test_every_design_has_a_memory_so_the_unit_stands_for_a_second_one() -> None:
    """`path:memory` is fulfilled by two memories."""
    assert not has_unit(Design(), "path:memory")
    assert has_unit(Design((MemoryPath(), MemoryPath(decay="fixed"))), "path:memory")
    assert not has_unit(Design((MemoryPath(), WindowPath())), "path:memory")


@pytest.mark.parametrize("seed", range(20))
def test_a_variation_never_equals_its_parent(seed: int) -> None:
    """The wish must not undo the whole change."""
    parent, wish = BASELINES["gla"].design, wish_of(["GLA please"])
    assert wish
    draws = Random(seed)
    variation = vary_as_wished(lambda: vary(parent, [], draws), parent, draws, wish)
    assert variation.design != parent
    assert fulfils(variation.design, wish)


def status(**fields: object) -> CampaignStatus:
    """Return the status of a campaign with these baselines and guidance."""
    defaults = {"campaign": "c", "last_seq": 9, "ranking": tuple(f"base-{name}" for name in BASELINES)}
    return CampaignStatus.model_validate(defaults | {"started": campaign_started(roles=WISH_ROLES)} | fields)


def ancestry(question: AskAncestry) -> Ancestry:
    """Return the baselines that a question names."""
    designs = {name: BASELINES[name.removeprefix("base-")].design.to_json() for name in question.references}
    return Ancestry(
        rows=tuple(Experiment.model_validate({"id": k, "status": "analysed", "design": v}) for k, v in designs.items())
    )


def test_parents_suit_the_wish() -> None:
    """Of the experiments that a policy may choose from, those remain that meet most of it."""
    driven = Driven([], [])
    campaign = status(guidance=("use the delta rule with short convolutions",))
    chosen = drive(suited(campaign.ranking, campaign), {AskAncestry: ancestry}, driven)
    assert list(chosen) == ["base-deltanet", "base-gated-deltanet"]
    assert [question.references for question in driven.questions if isinstance(question, AskAncestry)]


@pytest.mark.parametrize("name", ["two_tier", "mutate_best"])
def test_a_policy_asks_for_designs_only_under_a_wish(name: str) -> None:
    """So a decision without one is the same as before there were wishes."""
    parameters = campaign_started().policy_parameters if name == "two_tier" else {}
    for guidance, asked in (((), 0), (("hurry up",), 0), (("delta rule",), 1)):
        driven, policy = Driven([], []), make_policy(name, parameters)
        suggestion = drive(policy.ask(status(guidance=guidance), {}, Random(0)), {AskAncestry: ancestry}, driven)
        assert len(driven.questions) == asked
        assert not asked or suggestion.parent in {"base-deltanet", "base-gated-deltanet"}


@pytest.mark.parametrize("roles", [{}, {"director": {"steering": "bias"}}])
def test_in_a_log_of_the_old_rule_guidance_is_no_wish(roles: dict[str, dict[str, str]]) -> None:
    """CampaignStarted says which rule holds; without a word about it, guidance is a bias."""
    campaign = status(guidance=("delta rule",))
    assert wish_in_force(campaign)
    assert wish_in_force(campaign.model_copy(update={"started": campaign_started(roles=roles)})) is None
