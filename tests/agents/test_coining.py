"""Coining: a graft changes one unit, gains are weighed at an error rate, and a coined formula is drawn as a unit."""

from random import Random
from statistics import fmean

import pytest

from agents.analysis.coining import ALPHA, COINING_MARGIN, coined, level_of
from agents.design import BASELINES, draw_design, render
from agents.design.formulas.breeding import formulas_of, vary_formula
from agents.design.formulas.grafting import graft
from agents.design.formulas.keys import formula_key
from agents.search.grafting import Grafting
from agents.search.policy import Suggestion
from benchmarks.policies.campaign import TableCampaign
from benchmarks.policies.table import Contender
from bus.vocabulary.design_edits import design_items, edits
from bus.vocabulary.events import ProposalCreated, UnitCoined
from bus.vocabulary.queries import (
    AskExperiments,
    AskFormulas,
    Experiment,
    Experiments,
    FormulaRecord,
    FormulaRecords,
    Graft,
)
from bus.wire.ids import fingerprint
from tests.support.decisions import drive
from tests.support.planted_formulas import PlantedTable
from tests.support.policy_campaigns import RANKED, status, to_json

UNIT = "gate:=sigmoid(add(h0,norm(r)))#0123456789"
CAMPAIGNS = 200
SD = 2**0.5
"""Standard deviation of a gain between two designs, in noises of a seed."""


def records(*gains: float | None, unit: str = UNIT, tried: tuple[str, ...] = (UNIT,)) -> FormulaRecords:
    """Return what memory knows of a formula with these gains; None stands for a graft that failed."""
    grafts = tuple(
        Graft(experiment=f"e{number}", host=f"h{number}", state="failed" if gain is None else "analysed", gain=gain)
        for number, gain in enumerate(gains)
    )
    return FormulaRecords(rows=(FormulaRecord(unit=unit, experiment="e0", best=1.0, grafts=grafts),), tried=tried)


def coins(mean: float, seed: int, formulas: int, correlation: float = 0.0) -> bool:
    """Return whether a campaign coins one of its formulas, looked at after each of 20 grafts."""
    draws = Random(seed)
    tried = tuple(f"{UNIT}{number}" for number in range(formulas))
    for unit in tried:
        luck = draws.gauss(mean, SD * correlation**0.5)
        gains = [draws.gauss(luck, SD * (1 - correlation) ** 0.5) for _ in range(20)]
        counts = (count for count in range(3, 21) if fmean(gains[:count]) > COINING_MARGIN)  # else there is no evidence
        if any(coined(records(*gains[:count], unit=unit, tried=tried), COINING_MARGIN) for count in counts):
            return True
    return False


def test_without_a_gain_a_campaign_hardly_ever_coins() -> None:
    """With eight formulas and a look after every graft, at most in the share that the levels allow.

    The gains of one formula have a correlation, since all grafts are trained with one seed.
    """
    found = sum(coins(0.0, seed, formulas=8, correlation=0.1) for seed in range(CAMPAIGNS))
    assert found <= ALPHA * CAMPAIGNS


def test_a_few_small_gains_that_agree_are_no_evidence() -> None:
    """In older logs they were: the test saw no scale."""
    tiny = records(0.029, 0.03, 0.031, 0.03)
    assert coined(tiny, 0.0)
    assert not coined(tiny, COINING_MARGIN)
    assert not coined(records(0.6, 0.61, 0.6, 0.61), COINING_MARGIN)


def test_a_formula_worth_two_noises_is_coined() -> None:
    assert sum(coins(2.0, seed, formulas=1) for seed in range(CAMPAIGNS)) >= 0.95 * CAMPAIGNS


def test_the_levels_add_up_to_alpha() -> None:
    assert sum(level_of(place) for place in range(1, 10_000)) == pytest.approx(ALPHA, rel=1e-3)


def test_a_formula_that_failed_somewhere_is_never_coined() -> None:
    gains = [2.0 + 0.01 * number for number in range(12)]
    ((experiment, event),) = coined(records(*gains), COINING_MARGIN)
    assert experiment == "e0"
    assert (event.unit, event.name, event.grafts[:2]) == (UNIT, "gate-012345", ("e0", "e1"))
    assert event.low < event.gain < event.high
    assert event.evidence >= 1 / event.level
    assert coined(records(*gains, None), COINING_MARGIN) == []


def test_a_graft_changes_one_unit() -> None:
    """Of 200 designs of all kinds, or it is refused."""
    draws, grafted = Random(1), 0
    humans = [human.design for human in BASELINES.values()]
    for number in range(200):
        donor = vary_formula(humans[number % len(humans)], (), draws).design
        host = draw_design(draws)
        for unit in formulas_of(donor):
            try:
                child = graft(host, unit)
            except ValueError:
                continue
            grafted += 1
            assert edits(design_items(child.design.to_json()), design_items(host.to_json())) == 1
            assert unit in formulas_of(child.design)
    assert grafted > 100


def test_no_graft_repeats_what_the_design_has() -> None:
    host = BASELINES["mamba2"].design
    unit = f"gate:{formula_key('gate', 'relu(add(h0,norm(r)))')}"
    child = graft(host, unit).design
    with pytest.raises(ValueError, match="only change"):
        graft(child, unit)
    with pytest.raises(ValueError, match="no formula"):
        graft(host, "gate:silu")


def test_the_best_design_that_lacks_the_formula_takes_it_and_no_vetoed_one() -> None:
    """One formula at a time; its first design, that one's parent, and earlier hosts take it no more.

    Nor does a host whose slot tried another design.
    """
    unit = f"gate:{formula_key('gate', 'relu(add(h0,norm(r)))')}"
    host = BASELINES["mamba2"].design
    designs = {name: to_json(host) for name in RANKED[:6]} | {RANKED[1]: to_json(graft(host, unit).design)}
    grafts = (
        Graft(experiment="e0090", host=RANKED[2], state="open"),
        Graft(experiment="e0091", host=RANKED[3], state="void"),
    )
    known = FormulaRecords(
        rows=(FormulaRecord(unit=unit, experiment="e0080", parent=RANKED[0], best=1.0, grafts=grafts),), tried=(unit,)
    )
    answers = {
        AskFormulas: known,
        AskExperiments: lambda asked: Experiments(
            rows=tuple(Experiment(id=name, status="analysed", design=designs[name]) for name in sorted(asked.ids))
        ),
    }
    for vetoed, expected in (((), RANKED[4]), ((RANKED[4],), RANKED[5])):
        campaign = status("random", analysed=6, vetoed=vetoed)
        assert drive(Grafting.of({}).ask(campaign, {}, Random(0)), answers) == Suggestion(expected, graft=unit)


def test_no_host_is_chosen_whose_graft_the_lab_holds() -> None:
    """The first host's graft was proposed before, so the second one takes the formula."""
    unit = f"gate:{formula_key('gate', 'relu(add(h0,norm(r)))')}"
    hosts = {RANKED[0]: BASELINES["mamba2"].design, RANKED[1]: BASELINES["gla"].design}
    held = fingerprint(render(graft(hosts[RANKED[0]], unit).design).source)
    rows = [Experiment(id=name, status="analysed", design=to_json(host)) for name, host in hosts.items()]
    record = FormulaRecord(unit=unit, experiment="e0080", parent="e0070", best=1.0, sources=(held,))
    answers = {AskFormulas: FormulaRecords(rows=(record,)), AskExperiments: Experiments(rows=tuple(rows))}
    suggestion = drive(Grafting.of({}).ask(status("random", analysed=2), {}, Random(0)), answers)
    assert suggestion == Suggestion(RANKED[1], graft=unit)


def test_hosts_of_one_formula_are_no_near_copies() -> None:
    """A near-copy of an earlier host would count one gain twice; in older campaigns it did."""
    unit = f"gate:{formula_key('gate', 'relu(add(h0,norm(r)))')}"
    names = {RANKED[0]: "mamba2", RANKED[1]: "mamba2", RANKED[2]: "gla"}
    rows = [Experiment(id=k, status="analysed", design=to_json(BASELINES[v].design)) for k, v in names.items()]
    grafts = (Graft(experiment="e0090", host=RANKED[0], state="open"),)
    record = FormulaRecord(unit=unit, experiment="e0080", best=1.0, grafts=grafts)
    answers = {
        AskFormulas: FormulaRecords(rows=(record,), tried=(unit,)),
        AskExperiments: Experiments(rows=tuple(rows)),
    }
    now = status("random", analysed=3)
    assert now.started
    for margin, host in ((0.0, RANKED[1]), (COINING_MARGIN, RANKED[2])):
        campaign = now.model_copy(update={"started": now.started.model_copy(update={"coining_margin": margin})})
        assert drive(Grafting.of({}).ask(campaign, {}, Random(0)), answers) == Suggestion(host, graft=unit)


def test_before_the_first_result_a_slot_is_not_lost() -> None:
    """There is no host yet, and nothing is asked: the slot mutates a baseline."""
    suggestion = drive(Grafting.of({}).ask(status("random", analysed=0), {}, Random(0)), {})
    assert (suggestion.parent or "").startswith("base-")
    assert suggestion.graft is None


@pytest.mark.parametrize(("worth", "expected"), [(0.12, True), (0.0, False)])
def test_a_campaign_coins_what_helps_and_goes_on_with_it(worth: float, expected: bool) -> None:
    campaign = TableCampaign(PlantedTable(worth), Contender.parse("mutate_best"), seed=3, queries=80)
    campaign.run()
    found = [envelope for envelope in campaign.log if isinstance(envelope.event, UnitCoined)]
    assert bool(found) == expected
    for envelope in found:
        assert isinstance(envelope.event, UnitCoined)
        unit = envelope.event.unit
        later = [one.event for one in campaign.log[envelope.seq :] if isinstance(one.event, ProposalCreated)]
        bred = [one for one in later if unit.rpartition("#")[2] in str(one.design)]
        assert unit.startswith("value:")
        assert bred, "no later design has the coined unit"
