"""Grafts: what became of the slots that were to put a formula into a design."""

from typing import Any

import pytest
from pydantic import JsonValue

from bus.vocabulary.events import ProposalCreated, ProposalRequested
from bus.vocabulary.queries import AskFormulas, FormulaRecords
from memory.queries import Knowledge, answer
from tests.support.scribe import DESIGN, OBJECTIVE, Scribe

KEY = "=relu(add(h0,norm(r)))#0123456789"
UNIT = f"gate:{KEY}"


def records(scribe: Scribe, **fields: Any) -> FormulaRecords:
    """Ask for the formulas."""
    reply = answer(Knowledge(scribe.store), AskFormulas(**fields))
    assert isinstance(reply, FormulaRecords)
    return reply


def states(scribe: Scribe, **fields: Any) -> list[tuple[str, str, str]]:
    """Return experiment, host and state of each graft of the one formula."""
    (record,) = records(scribe, **fields).rows
    return [(one.experiment, one.host, one.state) for one in record.grafts]


def propose(scribe: Scribe, name: str, gate: JsonValue, operator: str) -> int:
    """Propose a design with a gate."""
    design = DESIGN | {"gate": gate}
    event = ProposalCreated(
        name="n", motivation="m", source=f"x = '{name}'", origin="genetic", parent="e0001", operator=operator,
        design=design,
    )  # fmt: skip
    return scribe.write(name, event)


@pytest.fixture
def campaign(scribe: Scribe) -> Scribe:
    """Return a scribe with a host, a formula of another design, and an open slot that is to put it into the host."""
    scribe.start(objective=OBJECTIVE)
    scribe.finish_scored(1, 0.5)
    scribe.finish_scored(2, 1.0, gate=KEY)
    scribe.write("e0003", ProposalRequested(slot=3, arm="graft", parent="e0001", graft=UNIT))
    return scribe


def test_a_slot_holds_its_host_from_the_start(campaign: Scribe) -> None:
    """No other slot chooses the pair; the formula is tried once there is a design."""
    assert states(campaign) == [("e0003", "e0001", "open")]
    assert records(campaign).tried == ()
    assert len(records(campaign).rows[0].sources) == 1
    propose(campaign, "e0003", KEY, "graft:gate")
    assert states(campaign) == [("e0003", "e0001", "open")]
    assert records(campaign).tried == (UNIT,)


def test_a_slot_that_tries_another_design_has_made_no_graft(campaign: Scribe) -> None:
    """The lab held the graft already; a slot without any design is void too."""
    before = propose(campaign, "e0003", "none", "mutate:gate")
    campaign.write("e0004", ProposalRequested(slot=4, arm="graft", parent="e0002", graft=UNIT))
    campaign.reject("e0004", final=True)
    assert states(campaign) == [("e0003", "e0001", "void"), ("e0004", "e0002", "void")]
    assert states(campaign, at=before - 1) == [("e0003", "e0001", "open")]
    assert records(campaign).tried == ()
    assert records(campaign).rows[0].made == ()


def test_a_failed_graft_is_evidence(campaign: Scribe) -> None:
    propose(campaign, "e0003", KEY, "graft:gate")
    campaign.fail("e0003")
    assert states(campaign) == [("e0003", "e0001", "failed")]
    assert records(campaign).tried == (UNIT,)
