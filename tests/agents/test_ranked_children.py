"""Ranked children: a slot breeds many designs, asks memory once, and proposes the best that is new."""

from collections.abc import Callable
from random import Random
from statistics import fmean
from typing import Any

import pytest

from agents.design import BASELINES, Design, render
from agents.roles.researcher import Researcher
from agents.search.ranked_children import expected_improvement, score
from bus.vocabulary.events import ProposalCreated, ProposalRequested
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskForecast,
    AskNeighbours,
    DesignForecast,
    Experiment,
    Forecasts,
    Neighbour,
    Neighbours,
)
from tests.support.decisions import Driven, decide, envelope_of
from tests.support.factories import campaign_started

PARENTS = tuple(
    Experiment(id=f"base-{name}", status="analysed", origin="baseline", design=BASELINES[name].design.to_json())
    for name in ("gla", "retnet", "deltanet")
)
REQUEST = ProposalRequested(
    slot=4, arm="guided", parent=PARENTS[0].id, references=tuple(row.id for row in PARENTS[1:]), children=12,
    ranking="improvement",
)  # fmt: skip


def forecasts(mean: Callable[[int], float], **row: Any) -> Callable[[AskForecast], Forecasts]:
    """Return memory's answer: a mean by the number of the child."""
    return lambda query: Forecasts(
        rows=tuple(
            DesignForecast(mean=mean(number), deviation=0.1, ratio=mean(number), **row)
            for number in range(len(query.designs))
        ),
        best=0.0,
        spread=2.0,
        trained_on=30,
    )


def propose(request: ProposalRequested, answer: Any, neighbours: Any = None, experiment: str = "e0003") -> Driven:
    """Return the questions and posts of a slot."""
    replies: dict[Any, Any] = {
        AskAncestry: Ancestry(started=campaign_started(baselines=("gla",)), rows=PARENTS),
        AskNeighbours: neighbours or Neighbours(rows=()),
        AskForecast: answer,
    }
    return decide(Researcher(), envelope_of(request, experiment), replies)


def asked(driven: Driven) -> list[AskForecast]:
    """Return the questions about forecasts."""
    return [question for question in driven.questions if isinstance(question, AskForecast)]


def proposal(driven: Driven) -> ProposalCreated:
    """Return the proposal that ends a decision."""
    event = driven.posts[-1].event
    assert isinstance(event, ProposalCreated)
    return event


@pytest.mark.parametrize("ranking", ["improvement", "parzen"])
def test_the_child_with_the_best_forecast_is_proposed(ranking: Any) -> None:
    """It is rendered whole, and the proposal records what was expected of it."""
    driven = propose(REQUEST.model_copy(update={"ranking": ranking}), forecasts(lambda number: float(number == 7)))
    (question,), idea = asked(driven), proposal(driven)
    assert question.kind == ("tpe" if ranking == "parzen" else "surrogate")
    assert idea.design == question.designs[7]
    assert idea.source == render(Design.from_json(idea.design)).source
    assert idea.forecast is not None
    assert (idea.forecast.mean, idea.forecast.children, idea.forecast.trained_on) == (1.0, 12, 30)


def test_children_differ_and_have_several_parents() -> None:
    """As many as requested, none twice; parent and references each bear some."""
    (question,) = asked(propose(REQUEST, forecasts(float)))
    assert len({str(design) for design in question.designs}) == len(question.designs) == 12
    parents = {proposal(propose(REQUEST, forecasts(lambda n, best=best: float(n == best)))).parent for best in range(6)}
    assert parents >= {row.id for row in PARENTS}


def test_a_known_design_is_not_proposed() -> None:
    """If all children are known, the first design that comes is tried."""

    def best_is_known(query: AskForecast) -> Forecasts:
        reply = forecasts(float)(query)
        return reply.model_copy(update={"rows": (*reply.rows[:-1], DesignForecast(mean=99.0, known=True))})

    driven = propose(REQUEST, best_is_known)
    assert proposal(driven).design == asked(driven)[0].designs[-2]
    assert proposal(propose(REQUEST, forecasts(float, known=True))).forecast is None


def test_after_a_rejection_the_next_best_child_follows() -> None:
    """Memory is asked for forecasts once."""
    replies = iter([Neighbours(rows=(Neighbour(id="e0002", distance=0, motivation="m"),))])
    driven = propose(REQUEST, forecasts(float), lambda _: next(replies, Neighbours(rows=())))
    (question,) = asked(driven)
    assert proposal(driven).design == question.designs[-2]


def test_a_slot_that_ranks_nothing_asks_nothing() -> None:
    """One child is bred as before rankings existed, by the same draws."""
    plain = REQUEST.model_copy(update={"children": 1, "ranking": None})
    assert asked(propose(plain, None)) == []
    one = REQUEST.model_copy(update={"children": 1})
    assert proposal(propose(one, None)) == proposal(propose(plain, None))


def test_while_memory_forecasts_nothing_the_first_child_is_taken() -> None:
    """Too few experiments are analysed."""
    untrained = lambda query: Forecasts(rows=(DesignForecast(),) * len(query.designs))  # noqa: E731
    assert proposal(propose(REQUEST, untrained)).forecast is None


def test_a_share_of_the_slots_is_left_unranked() -> None:
    """The slot's draws decide."""
    request = REQUEST.model_copy(update={"unranked": 0.3})
    ranked = [bool(asked(propose(request, forecasts(float), experiment=f"e{slot:04d}"))) for slot in range(100)]
    assert 0.55 < fmean(ranked) < 0.85


@pytest.mark.parametrize(("mean", "fresh"), [(0.03, False), (-0.1, True)])
def test_designs_from_scratch_are_ranked_once_no_child_promises_enough(mean: float, fresh: bool) -> None:
    """A hundredth of the spread, .02, is asked for: a gain of .06 is expected of the best child, or one of .008."""
    request = REQUEST.model_copy(update={"restart_below": 0.01})
    driven = propose(request, forecasts(lambda number: mean if number == 7 else -9.0))
    *_, last = asked(driven)
    idea = proposal(driven)
    assert len(asked(driven)) == 1 + fresh
    assert idea.design == last.designs[7]
    assert (idea.operator == "scratch", idea.parent is None) == (fresh, fresh)
    assert idea.forecast is not None
    assert idea.forecast.mean == mean


def test_a_slot_whose_children_are_all_known_goes_on_from_scratch() -> None:
    """Nothing is expected of what was tried before."""
    rounds = iter([True, False])

    def answer(query: AskForecast) -> Forecasts:
        return forecasts(float, known=next(rounds))(query)

    driven = propose(REQUEST.model_copy(update={"restart_below": 0.01}), answer)
    assert proposal(driven).design == asked(driven)[1].designs[-1]


@pytest.mark.parametrize("ranking", ["thompson", "parzen"])
def test_other_rankings_have_no_restart(ranking: Any) -> None:
    """Their scores are no expected gain."""
    request = REQUEST.model_copy(update={"restart_below": 0.01, "ranking": ranking})
    assert len(asked(propose(request, forecasts(lambda _: -9.0)))) == 1


def test_expected_improvement() -> None:
    """It is the gain if nothing is uncertain, and otherwise the mean of the positive part of a normal variable."""
    assert expected_improvement(0.3, 0.0) == 0.3
    assert expected_improvement(-0.3, 0.0) == 0.0
    random = Random(0)
    sampled = fmean(max(0.0, random.gauss(-0.1, 0.2)) for _ in range(200_000))
    assert expected_improvement(-0.1, 0.2) == pytest.approx(sampled, rel=0.03)


def test_a_thompson_draw_follows_the_forecast() -> None:
    """Each child is scored by one draw."""
    row = DesignForecast(mean=0.5, deviation=0.1)
    draws = [score("thompson", row, 0.0, Random(seed)) for seed in range(300)]
    assert fmean(draws) == pytest.approx(0.5, abs=0.03)
    assert len(set(draws)) == 300
