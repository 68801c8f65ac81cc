"""The re-discovery benchmark: the unit that is taken out stays out, and closeness is judged by functions."""

import pytest

from agents.design import Design, MemoryPath
from agents.design.formulas.expression import parse
from agents.design.formulas.keys import formula_key
from benchmarks.policies.campaign import TableCampaign
from benchmarks.policies.table import Contender
from benchmarks.rediscovery import TARGETS, TargetTable, difference


@pytest.mark.parametrize("name", TARGETS)
def test_no_idea_has_the_unit_that_is_taken_out(name: str) -> None:
    """Neither a human design of the campaign nor a bred one, from the first on."""
    table = TargetTable(TARGETS[name])
    campaign = TableCampaign(table, Contender.parse("two_tier"), 1, 12, guidance=table.guidance)
    designs = campaign.run()
    assert len(designs) == 12
    started = campaign.log[0].event
    units = {f"{axis}:{key}" for design in designs for path in design.paths for axis, key in path.choices.items()}
    assert units.isdisjoint(TARGETS[name].units)
    assert name.split("-", maxsplit=1)[0] not in getattr(started, "baselines", ())


def test_a_scale_and_a_shift_do_not_count_and_a_sign_does() -> None:
    """Learned numbers take up the first two."""
    target = parse("sigmoid(h0)")
    assert difference(parse("add(1,mul(0.5,sigmoid(h1)))"), target) == pytest.approx(0, abs=1e-6)
    assert difference(parse("mul(-1,sigmoid(norm(k)))"), target) > 0.3


def test_a_nearer_formula_has_a_lower_loss() -> None:
    """All else being equal."""
    table = TargetTable(TARGETS["mamba2-decay"])
    losses = [
        table.loss(Design((MemoryPath(decay=key),)), 3)
        for key in (
            formula_key("decay", "mul(-1,exp(a0),softplus(add(h0,mul(-1,s0))))"),
            "sigmoid",
            "none",
        )
    ]
    assert losses == sorted(losses)
    assert losses[2] - losses[0] == pytest.approx(0.1)
