"""Forecasts: what designs are likely to reach, as of a position, judging by the analysed ones."""

from itertools import product
from random import Random
from statistics import pstdev
from typing import Any

import pytest

from bus.vocabulary.events import Forecast
from bus.vocabulary.queries import AskForecast, AskForecastErrors, DesignForecast, ForecastErrors, Forecasts
from memory.forecasts.errors import rank_correlation
from memory.forecasts.features import tokens
from memory.forecasts.index import MAX_ROWS, MIN_ROWS, _chosen, _in_steps
from memory.forecasts.objective import with_floor
from memory.queries import Knowledge, answer, handler_for
from memory.store import Store
from tests.support.scribe import Scribe

GATES, SPANS, ENTRIES = ("none", "silu", "sigmoid"), ("8", "16", "32"), ("none", "shift")


def design(gate: str, span: str = "8", entry: str = "none") -> dict[str, Any]:
    """Return a design of any grammar: its objective depends on the gate and on the span."""
    return {"gate": gate, "entry": entry, "paths": [{"kind": "window", "span": span}]}


EVERY_DESIGN = [design(*units) for units in product(GATES, SPANS, ENTRIES)]


def loss(of: dict[str, Any]) -> float:
    """Return the text loss of a design: the SiLU gate is best, and long spans are better."""
    return 2.5 - 0.3 * (of["gate"] == "silu") - 0.05 * (int(of["paths"][0]["span"]) // 16)


def train(scribe: Scribe, designs: list[dict[str, Any]], first: int = 1) -> int:
    """Take designs from the proposal to the analysis, and return the last position."""
    for number, each in enumerate(designs, first):
        name = f"e{number:04d}"
        scribe.propose(name, source=f"x = {number}", design=each)
        scribe.complete(name, val_loss=loss(each))
        scribe.analyse(name)
    return scribe.store.position


def forecasts(store: Store, *designs: dict[str, Any], **fields: Any) -> Forecasts:
    """Ask a memory that has forecast nothing yet."""
    reply = answer(Knowledge(store), AskForecast(designs=designs, **fields))
    assert isinstance(reply, Forecasts)
    return reply


@pytest.fixture
def trained(scribe: Scribe) -> Scribe:
    """Return a scribe that has trained every other design."""
    scribe.start(baselines=())
    train(scribe, EVERY_DESIGN[::2])
    return scribe


def test_untrained_designs_are_ordered_by_what_their_units_did(trained: Scribe) -> None:
    """The means follow the objective, which is the negated loss in a campaign without baselines."""
    untrained = EVERY_DESIGN[1::2]
    reply = forecasts(trained.store, *untrained)
    means = [row.mean or 0.0 for row in reply.rows]
    assert max(zip(means, untrained, strict=True), key=lambda pair: pair[0])[1]["gate"] == "silu"
    assert means == pytest.approx([-loss(each) for each in untrained], abs=0.1)
    assert reply.best == pytest.approx(-2.1, abs=0.1)
    assert reply.spread == pytest.approx(pstdev(loss(each) for each in EVERY_DESIGN[::2]), abs=0.03)
    assert reply.trained_on == len(EVERY_DESIGN[::2])


def test_how_bad_the_bad_designs_are_does_not_count() -> None:
    """Objectives below the floor are raised to it: twice as far below the median as the best is above."""
    assert with_floor([1.0, 2.0, 3.0, -50.0, -7.0]) == [1.0, 2.0, 3.0, -3.0, -3.0]


def test_a_unit_that_decides_nearly_all_hides_no_small_effects(scribe: Scribe) -> None:
    """Of designs with the decisive unit, the one with the better small unit is expected to be better."""
    scribe.start(baselines=())
    rng = Random(1)
    names = [f"axis{number}" for number in range(12)]
    designs: list[dict[str, Any]] = [{name: rng.choice("ab") for name in names} for _ in range(48)]

    def value(of: dict[str, Any]) -> float:
        return (of["axis0"] == "b") + sum(0.01 * (of[name] == "b") for name in names[1:])

    for number, each in enumerate(designs, 1):
        scribe.propose(f"e{number:04d}", source=f"x = {number}", design=each)
        scribe.complete(f"e{number:04d}", val_loss=3 - value(each))
        scribe.analyse(f"e{number:04d}")
    bad: dict[str, Any] = {"axis0": "b"} | dict.fromkeys(names[1:], "a")
    changed = [bad | {name: "b"} for name in names[1:]]
    means = [row.mean or 0.0 for row in forecasts(scribe.store, bad, *changed).rows]
    assert [mean - means[0] > 0.003 for mean in means[1:]].count(True) >= 10


def test_a_design_unlike_all_others_is_less_certain(trained: Scribe) -> None:
    """The deviation grows with the distance to what was trained."""
    near, far = forecasts(trained.store, EVERY_DESIGN[0], {"gate": "silu", "entry": "shift", "paths": []}).rows
    assert 0 < (near.deviation or 0) < (far.deviation or 0)


def test_a_unit_that_was_never_tried_is_less_certain(scribe: Scribe) -> None:
    """It is no unit that is absent: every trained design has entry=none, and these three differ in that axis alone."""
    scribe.start(baselines=())
    train(scribe, [each for each in EVERY_DESIGN if each["entry"] == "none"])
    asked = [design("silu", "8", entry) for entry in ("none", "shift", "x")]
    tried, untried, other = forecasts(scribe.store, *asked).rows
    assert (tried.deviation or 0) < (untried.deviation or 0) == other.deviation
    assert untried.mean == pytest.approx(tried.mean, abs=0.1)


@pytest.mark.parametrize("kind", ["surrogate", "tpe"])
def test_a_forecast_is_of_its_position(trained: Scribe, kind: Any) -> None:
    """What memory has read since changes nothing, and a memory that starts afresh answers the same."""
    position, question = trained.store.position, (*EVERY_DESIGN[1::2],)
    before = forecasts(trained.store, *question, kind=kind)
    trained.propose("e0500", source="y = 1", design=EVERY_DESIGN[1])
    train(trained, [design("relu", "64")] * 3, first=600)
    assert forecasts(trained.store, *question, kind=kind, at=position) == before
    assert forecasts(trained.store, *question, kind=kind) != before


def test_a_known_design_is_said_to_be_known(trained: Scribe) -> None:
    """It is, from its proposal on, whatever the order of its fields."""
    position, new = trained.store.position, design("relu")
    trained.propose("e0500", source="y = 1", design=dict(reversed(new.items())))
    assert [row.known for row in forecasts(trained.store, new, EVERY_DESIGN[0], at=position).rows] == [False, True]
    assert [row.known for row in forecasts(trained.store, new, EVERY_DESIGN[1]).rows] == [True, False]


def test_too_few_analyses_forecast_nothing(scribe: Scribe) -> None:
    """The reply still says which designs are known."""
    scribe.start(baselines=())
    train(scribe, EVERY_DESIGN[: MIN_ROWS - 1])
    assert forecasts(scribe.store, EVERY_DESIGN[0]) == Forecasts(rows=(DesignForecast(known=True),))
    assert forecasts(Scribe(scribe.store, "unheard-of").store, campaign="unheard-of").rows == ()


def test_what_is_under_way_leaves_less_to_learn_nearby(trained: Scribe) -> None:
    """A design under way lowers the deviation of its like, and no mean, until it is given up."""
    new = design("relu", "64", "conv")
    train(trained, [design("relu"), design("none", "64"), design("none", "8", "conv")], first=300)
    (before,) = forecasts(trained.store, new).rows
    trained.propose("e0500", source="y = 1", design=new | {"gate": "silu"})
    (during,) = forecasts(trained.store, new).rows
    trained.fail("e0500")
    (after,) = forecasts(trained.store, new).rows
    assert before == after
    assert during.mean == before.mean
    assert (during.deviation or 0) < 0.9 * (before.deviation or 0)


def test_densities_prefer_the_units_of_good_designs(trained: Scribe) -> None:
    """The ratio log l − log g is highest for the best unit, and a design under way makes its like less attractive."""
    kind: Any = {"kind": "tpe"}
    best, worst = forecasts(trained.store, design("silu", "32"), design("none", "8"), **kind).rows
    assert (best.ratio or 0) > 0 > (worst.ratio or 0)
    assert (best.mean, best.deviation) == (None, None)
    trained.propose("e0500", source="y = 1", design=design("silu", "32", "conv"))
    assert (forecasts(trained.store, design("silu", "32"), **kind).rows[0].ratio or 0) < (best.ratio or 0)


def test_the_objective_is_the_gain_over_the_best_baseline(scribe: Scribe) -> None:
    """In nats per byte; experiments before any loss count with their fitness."""
    scribe.start(baselines=("gla", "mamba2"))
    for slot, (name, baseline_loss) in enumerate((("base-gla", 2.3), ("base-mamba2", 2.2))):
        scribe.open(name, slot)
        scribe.propose(name, source=name)
        scribe.complete(name, val_loss=baseline_loss)
    train(scribe, EVERY_DESIGN)
    (row,) = forecasts(scribe.store, design("silu", "32")).rows
    assert row.mean == pytest.approx(2.2 - loss(design("silu", "32")), abs=0.05)


def test_the_service_can_wait_for_the_fit(trained: Scribe) -> None:
    """The handler hands out the fit, which goes on in a thread; equal questions share it."""
    knowledge, query = Knowledge(trained.store), AskForecast(designs=(EVERY_DESIGN[0],))
    first, second = (handler_for(knowledge, query).fitting() for _ in range(2))
    assert first is not None
    assert first is second
    assert first.result(timeout=60)
    assert handler_for(Knowledge(trained.store), AskForecast(designs=(), at=1)).fitting() is None


def test_models_are_refitted_in_growing_steps() -> None:
    """At first after each analysis, then after a sixteenth more."""
    assert [_in_steps(count) for count in (9, 31, 33, 63, 127, 1_000, 10_000)] == [9, 31, 32, 62, 124, 992, 9_728]


def test_a_long_campaign_is_sampled() -> None:
    """The best, the newest and some of all others are kept."""
    objectives = [float(-abs(index - 500)) for index in range(2_000)]
    chosen = _chosen(objectives)
    assert len(chosen) == len(set(chosen)) == MAX_ROWS
    assert {500, 1_999, 1_000 - 2} & set(chosen) >= {500, 1_999}
    assert min(chosen) < 100


def test_any_json_becomes_tokens() -> None:
    """Objects with a kind are an unordered set; other lists are told apart by place."""
    paths = [{"kind": "window", "span": "8"}, {"kind": "memory", "span": "8"}]
    assert tokens({"paths": paths}) == tokens({"paths": paths[::-1]})
    assert tokens({"edges": ["a", "b"]}) != tokens({"edges": ["b", "a"]})
    assert tokens({"depth": 3, "cells": [{"heads": 4}]}) == {"depth=3": 1, "cells.0.heads=4": 1}
    assert tokens({"paths": [paths[0]] * 2}) == {"paths.window": 2, "paths.window.span=8": 2}


def test_forecasts_are_held_against_what_the_designs_reached(scribe: Scribe) -> None:
    """Errors are of analysed designs with a forecast, as of the position; without a baseline, of the negated loss."""
    scribe.start(baselines=())
    ends: list[int] = []
    for number in range(1, 9):
        scribe.propose(
            f"e{number:04d}",
            source=f"x = {number}",
            forecast=Forecast(mean=0.5 - number, deviation=1.0, children=9, trained_on=8) if number < 8 else None,
        )
    for number in range(1, 8):
        scribe.complete(f"e{number:04d}", val_loss=float(number))
        ends.append(scribe.analyse(f"e{number:04d}"))

    def errors(at: int = 0) -> ForecastErrors:
        reply = answer(Knowledge(scribe.store), AskForecastErrors(at=at))
        assert isinstance(reply, ForecastErrors)
        return reply

    assert (errors().designs, errors().correlation, errors().verdict) == (7, 1.0, "tells")
    assert (errors().mean_absolute, errors().bias) == (0.5, -0.5)
    assert (errors(ends[2]).designs, errors(ends[2]).correlation, errors(ends[2]).verdict) == (3, None, "open")
    assert errors(1) == ForecastErrors()


def test_a_rank_correlation_has_an_interval_that_holds_it() -> None:
    """95 % of the intervals hold the correlation of the population, ties included; equal values have none."""
    rng = Random(2)
    held = 0
    for _ in range(200):
        expected = [rng.gauss(0, 1) for _ in range(40)]
        found = rank_correlation(expected, [round(each + rng.gauss(0, 1), 1) for each in expected])
        assert found is not None
        held += found.low <= 0.69 <= found.high
    assert 180 <= held <= 200
    assert rank_correlation([1.0] * 9, list(range(9))) is None
    assert rank_correlation([1.0, 2.0], [1.0, 2.0]) is None
