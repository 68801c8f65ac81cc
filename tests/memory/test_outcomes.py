"""Outcomes: what became of the newest experiments."""

from bus.vocabulary.events import ProposalRequested
from bus.vocabulary.queries import AskOutcomes, Outcomes
from memory.queries import Knowledge, answer
from tests.support.scribe import Scribe


def outcomes(scribe: Scribe, **fields: int) -> Outcomes:
    """Ask for outcomes."""
    reply = answer(Knowledge(scribe.store), AskOutcomes(**fields))
    assert isinstance(reply, Outcomes)
    return reply


def test_outcomes_name_policy_objective_and_cost(scribe: Scribe) -> None:
    """In the order of the ends; a failed experiment has no objective, and baselines are left out."""
    scribe.start()
    scribe.finish("base-gla", 0)
    scribe.write("e0001", ProposalRequested(slot=1, arm="guided", policy="tpe"))
    scribe.finish("e0002", 2)
    scribe.propose("e0001")
    end = scribe.complete("e0001", val_loss=1.3, flops_per_token=10.0, tokens=7)
    scribe.analyse("e0001")
    scribe.open("e0003", 3)
    scribe.fail("e0003")
    rows = outcomes(scribe).rows
    assert [(row.id, row.policy) for row in rows] == [("e0002", None), ("e0001", "tpe"), ("e0003", None)]
    assert [row.objective and round(row.objective, 6) for row in rows] == [0.0, 0.1, None]
    assert (rows[1].flops, rows[2].flops) == (70.0, None)
    assert [row.id for row in outcomes(scribe, newest=1).rows] == ["e0003"]
    assert [row.id for row in outcomes(scribe, at=end).rows] == ["e0002"]
