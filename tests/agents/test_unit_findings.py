"""What analyses say of units that the campaign has shown to help or to hurt."""

from random import Random
from typing import Any

from agents.analysis.problems import problem
from agents.analysis.unit_findings import burden, unit_findings
from agents.design import BASELINES
from agents.roles.analyst import Analyst
from bus.vocabulary.events import AnalysisReady
from bus.vocabulary.queries import AskCognition, AskPeers, AskUnitEffects, Cognition, Peers, UnitEffect, UnitEffects
from tests.support.decisions import decide, envelope_of
from tests.support.factories import campaign_started, experiment, run_completed

DESIGN = BASELINES["gla"].design.to_json()
FORMULA = "=sigmoid(h0)#0badf00d00"


def effect(unit: str, mean: float, width: float = 0.2, formula: str | None = None) -> UnitEffect:
    """Return an effect with an interval of twice the width."""
    return UnitEffect(
        unit=unit, formula=formula, designs=12, effect=mean, low=round(mean - width, 3), high=round(mean + width, 3)
    )


KNOWN = UnitEffects(
    rows=(
        effect("memory/update:delta", 3.0), effect("memory/decay:channel", 1.2), effect("gate:silu", 0.1),
        effect("memory/norm:none", -0.8),
    ),
    analysed=84,
)  # fmt: skip


def test_a_finding_names_decided_units_of_the_design_with_their_intervals() -> None:
    """Units of other designs and open ones are left out."""
    (finding,) = unit_findings(KNOWN, DESIGN)
    assert finding == (
        "Over 84 experiments, of its units decay:channel helps by 1.2 seed noises (1.0 to 1.4), "
        "norm:none hurts by 0.8 seed noises (0.6 to 1.0)."
    )
    assert unit_findings(KNOWN, None) == ()
    assert unit_findings(UnitEffects(), DESIGN) == ()


def test_a_formula_is_known_by_its_function_and_named_by_its_text() -> None:
    """Another text of the same function is the same unit."""
    design = DESIGN | {"gate": "=sigmoid(h1)#0badf00d00"}
    known = UnitEffects(rows=(effect("gate:0badf00d00", -2.0, formula=FORMULA),), analysed=9)
    assert f"gate:{FORMULA} hurts by 2.0" in unit_findings(known, design)[0]
    assert burden(known, design) == "Designs with this gate formula have fared worse."


def test_a_problem_names_the_unit_that_hurts_most_without_figures() -> None:
    """Figures would find the same papers for every design."""
    text = "Designs with unnormalised queries and keys have fared worse."
    assert burden(KNOWN, DESIGN) == text
    assert burden(UnitEffects(rows=KNOWN.rows[:2], analysed=9), DESIGN) == ""
    this = experiment("e0003", val_loss=1.5, recall=0.9, design=DESIGN)
    assert text in problem(Peers(this=this), (), Random(0), KNOWN)
    assert text not in problem(Peers(this=this), (), Random(0))


def test_the_analyst_asks_for_effects_if_the_campaign_says_so() -> None:
    """A log without the setting is analysed as before."""

    def analysed(roles: dict[str, Any]) -> tuple[list[Any], AnalysisReady]:
        this = experiment("e0003", "running", val_loss=1.5, recall=0.9, design=DESIGN)
        baseline = experiment("base-a", val_loss=1.5, recall=0.9)
        peers = Peers(this=this, baselines=(baseline,), awaiting=("e0003",), started=campaign_started(roles=roles))
        replies = {AskPeers: peers, AskCognition: Cognition(rows=()), AskUnitEffects: KNOWN}
        questions, (post,) = decide(Analyst(), envelope_of(run_completed(), "e0003"), replies)
        assert isinstance(post.event, AnalysisReady)
        return [type(question) for question in questions], post.event

    asked, analysis = analysed({"analyst": {"problems": "findings", "unit_effects": True}})
    assert AskUnitEffects in asked
    assert any("decay:channel helps" in finding for finding in analysis.findings)
    assert "unnormalised queries" in analysis.problem
    for roles in ({}, {"analyst": {"problems": "findings"}}):
        asked, analysis = analysed(roles)
        assert AskUnitEffects not in asked
        assert not any("decay:channel" in finding for finding in analysis.findings)
