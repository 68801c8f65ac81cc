"""Control arms: their shares of the slots, and that nothing guides them."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from agents.design import BASELINES
from agents.roles.researcher import Researcher
from agents.search.arms import arm_of
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    ControlArm,
    HumanMessage,
    ProposalCreated,
    ProposalRequested,
)
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskArms,
    AskExperiments,
    AskNeighbours,
    CognitionEntry,
    Experiment,
    Experiments,
    Neighbours,
    ResultsByArm,
)
from tests.support.archive import Archive
from tests.support.campaign_checks import broken_rules
from tests.support.decisions import decide, envelope_of
from tests.support.factories import campaign_started
from tests.support.simulation import Faults, Laboratory, caching

SHARES: tuple[dict[ControlArm, float], ...] = (
    {"random": 0.05, "mutate_best": 0.05}, {"random": 0.3, "mutate_best": 0.1}, {"random": 0.5, "mutate_best": 0.5},
    {"mutate_best": 0.25}, {"grammar": 0.5}, {"random": 0.05, "mutate_best": 0.05, "grammar": 0.45}, {},
)  # fmt: skip


@pytest.mark.parametrize("shares", SHARES)
def test_every_arm_gets_its_share_of_any_first_designs(shares: dict[ControlArm, float]) -> None:
    """Within two designs, at every length of the campaign; within one, all controls together."""
    counts: Counter[str] = Counter()
    for index in range(400):
        counts[arm_of(index, shares)] += 1
        assert all(abs(counts[arm] - share * (index + 1)) < 2 for arm, share in shares.items())
        controls = sum(counts[arm] for arm in shares)
        assert abs(controls - sum(shares.values()) * (index + 1)) < 1 + 1e-9


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """A campaign of twelve designs, a quarter of each control arm, that a person steers from the start."""
    folder: Path = tmp_path_factory.mktemp("arms")
    lab = Laboratory(Archive(folder), "arms", Random(3), Faults(), sound_baselines=True)
    start = campaign_started(
        goal="better recall",
        experiments=12,
        slots=1,
        baselines=("gla", "deltanet"),
        arms={"random": 0.25, "mutate_best": 0.25},
    )
    lab.cues.append((lambda envelope: isinstance(envelope.event, ProposalCreated), "please try a delta rule"))
    lab.start(start)
    with caching():
        lab.run()
    return lab


def requests(lab: Laboratory) -> dict[str, ProposalRequested]:
    return {one.experiment: one.event for one in lab.events(ProposalRequested)}  # type: ignore[misc]


def test_slots_alternate_between_the_arms(lab: Laboratory) -> None:
    arms = Counter(request.arm for request in requests(lab).values())
    assert arms == {"baseline": 2, "guided": 6, "random": 3, "mutate_best": 3}
    assert broken_rules(lab) == []


def test_nothing_guides_a_control(lab: Laboratory) -> None:
    """Neither people nor papers; a random design has no parent, a mutation one of the best."""
    assert lab.events(HumanMessage)
    proposals = {one.experiment: one.event for one in lab.events(ProposalCreated)}
    guidance = {arm: [one.guidance for one in requests(lab).values() if one.arm == arm] for arm in ("random", "guided")}
    assert any(guidance["guided"])
    assert not any(guidance["random"])
    for name, request in requests(lab).items():
        proposal = proposals.get(name)
        if request.arm in {"random", "mutate_best"} and isinstance(proposal, ProposalCreated):
            assert (proposal.cognition, request.wish) == ((), None)
            assert (request.parent is None) == (request.arm == "random")
            assert (proposal.parent is None) == (request.arm == "random")


def test_the_arm_of_the_grammar_is_guided(tmp_path: Path) -> None:
    """It gets the policy's parents, people's guidance and papers, in every second slot."""
    lab = Laboratory(Archive(tmp_path), "grammar", Random(3), Faults(), sound_baselines=True)
    lab.cues.append((lambda envelope: isinstance(envelope.event, ProposalCreated), "please try a delta rule"))
    baselines, arms = ("gla", "deltanet"), {"grammar": 0.5}
    lab.start(campaign_started(experiments=8, slots=1, baselines=baselines, arms=arms))
    with caching():
        lab.run()
    slots = [request for request in requests(lab).values() if request.arm != "baseline"]
    assert [slot.arm for slot in slots] == ["guided", "grammar"] * 4
    assert all(slot.parent and slot.guidance for slot in slots)
    assert broken_rules(lab) == []


@pytest.mark.parametrize("arm", ["random", "mutate_best", "grammar"])
def test_no_model_is_asked_for_a_control(arm: ControlArm) -> None:
    """The grammar's arm still reads papers; the others do not."""
    started = campaign_started(models={"researcher": "m"})
    design: Any = BASELINES["gla"].design.to_json()
    parent = Experiment(id="e0001", status="analysed", origin="genetic", source="x", design=design)
    paper = CognitionEntry(key="delta", title="T", scenario="s", algorithm="a", history="h", units=("update:delta",))
    replies: dict[Any, Any] = {
        AskAncestry: Ancestry(started=started, rows=(parent,), cognition=(paper,)),
        AskNeighbours: Neighbours(rows=()),
    }
    request = ProposalRequested(slot=4, arm=arm, parent="e0001")
    questions, posts = decide(Researcher(), envelope_of(request, "e0003"), replies)
    idea = posts[-1].event
    assert isinstance(idea, ProposalCreated)
    assert {type(question) for question in questions} == {AskAncestry, AskNeighbours}
    assert idea.origin == "genetic"
    assert not (idea.operator or "").startswith("fallback:")
    assert idea.cognition == (("delta",) if arm == "grammar" else ())


def test_the_results_by_arm_count_every_design(lab: Laboratory) -> None:
    """Guided designs first; the figures are those of the experiments."""
    rows = cast("ResultsByArm", lab.archive.answer(AskArms(campaign="arms"))).rows
    assert [row.arm for row in rows] == ["guided", "random", "mutate_best"]
    assert sum(row.opened for row in rows) == 12
    experiments = cast("Experiments", lab.archive.answer(AskExperiments(campaign="arms"))).rows
    mark = min(one.val_loss for one in experiments if one.arm == "baseline" and one.val_loss)
    for row in rows:
        losses = [one.val_loss for one in experiments if one.arm == row.arm and one.status == "analysed"]
        assert (row.analysed, row.best_loss) == (len(losses), min((loss for loss in losses if loss), default=None))
        assert row.hits == sum(loss < mark for loss in losses if loss)
        seconds = [one.seconds for one in experiments if one.arm == row.arm and one.status == "analysed"]
        assert row.run_seconds == pytest.approx(sum(filter(None, seconds)))
        assert (row.requests, row.cost) == (0, None)


def test_results_by_arm_are_as_of_a_position(lab: Laboratory) -> None:
    """At the second analysis no design has a score yet."""
    second, last = lab.events(AnalysisReady)[1], lab.events(CampaignFinished)[0]
    early = cast("ResultsByArm", lab.archive.answer(AskArms(campaign="arms", at=second.seq)))
    assert sum(row.analysed for row in early.rows) == 0
    late = cast("ResultsByArm", lab.archive.answer(AskArms(campaign="arms", at=last.seq)))
    assert sum(row.analysed for row in late.rows) > 0
