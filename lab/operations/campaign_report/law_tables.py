"""The law of discovery as tables: what each arm spent and found, how that grows with cost, and which arm is ahead."""

from collections.abc import Iterator, Sequence
from typing import Any

from agents.analysis.evidence.arms import MIN_SEARCHES
from agents.analysis.evidence.law import GrowthLaw
from lab.client.law import COMPARED_TRIALS
from lab.client.trajectories import COSTS
from lab.operations.campaign_report.writing import NONE, hours, interval, number
from lab.operations.markdown_text import plain, table

COUNTED = {"discoveries": "discoveries", "screening_hits": "screening hits"}
"""What is counted, with its heading."""
HEADS: dict[str, str] = {cost: f"against {cost}" for cost in COSTS} | {"flops": "against FLOPs"}
TRIES = ("10", "30", "100")
"""Numbers of tries for which the table has the expected best."""


def law_tables(report: dict[str, Any]) -> str:
    """Return the tables of a `law_report`."""
    return "\n\n".join((_arms(report), _growth(report), _comparisons(report)))


def _arms(report: dict[str, Any]) -> str:
    spent = ("arm", "searches", "experiments", "failed", "hours of runs", "FLOPs of training")
    found = ("discoveries", "refuted", "screening hits", "best screening gain", *(f"best of {n}" for n in TRIES))
    return table((*spent, *found), (_arm(arm, figures) for arm, figures in report["arms"].items()))


def _arm(arm: str, figures: dict[str, Any]) -> tuple[object, ...]:
    expected = figures["expected_best_screening_gain"]
    return (
        plain(arm), figures["searches"], f"{figures['experiments']:.0f}", figures["failed"], hours(figures["seconds"]),
        number(figures["flops"], ".2g"), figures["discoveries"]["count"], figures["refuted"],
        figures["screening_hits"]["count"], _estimate(figures["best_screening_gain"], "+.3f"),
        *(number(expected.get(tries), "+.3f") for tries in TRIES),
    )  # fmt: skip


def _growth(report: dict[str, Any]) -> str:
    """Return the exponents of every arm that found something."""
    costs = [cost for cost in COSTS if any(figures[cost] for figures in report["arms"].values())]
    rows = list(_growth_rows(report, costs))
    if not rows:
        return "No arm found anything, so nothing grows."
    text = (
        "N = a·C^b: the exponent b against each cost, with its interval of 95 %. Above 1, discoveries come faster as a "
        "search goes on."
    )
    return f"{text}\n\n{table(('arm', 'counted', 'number', *(HEADS[cost] for cost in costs)), rows)}"


def _growth_rows(report: dict[str, Any], costs: Sequence[str]) -> Iterator[tuple[object, ...]]:
    for arm, figures in report["arms"].items():
        for counted, words in COUNTED.items():
            if count := figures[counted]["count"]:
                laws = figures[counted]["law"]
                yield plain(arm), words, count, *(_exponent(laws.get(cost)) for cost in costs)


def _exponent(fitted: dict[str, Any] | None) -> str:
    """Return an exponent with the interval that tells how growth goes, and what it tells."""
    if fitted is None:
        return NONE
    law = GrowthLaw(**fitted)
    return law.growth if law.exponent is None else f"{law.exponent:.2f} {interval(law.span, '.2f')}, {law.growth}"


def _comparisons(report: dict[str, Any]) -> str:
    """Return how likely a search of one arm is ahead of a search of another one, as a square."""
    arms = list(report["arms"])
    pairs = {(one["ours"], one["theirs"]): one for one in report["comparisons"]}
    text = (
        "How likely a search of the row has a better best gain than one of the column, once both have spent as many "
        f"FLOPs as the shortest search of the two arms. In parentheses: searches of each, those of at least "
        f"{COMPARED_TRIALS} designs. An interval needs {MIN_SEARCHES} of each."
    )
    rows = [(plain(ours), *(_chance(pairs.get((ours, theirs))) for theirs in arms[1:])) for ours in arms[:-1]]
    return f"{text}\n\n{table(('', *map(plain, arms[1:])), rows)}" if rows else "There is one arm, so none is compared."


def _chance(pair: dict[str, Any] | None) -> str:
    """Return who is ahead, with the number of searches of each; a dash if there is nothing to compare."""
    if pair is None or pair["probability_of_better"] is None:
        return NONE
    ours, theirs = pair["searches"]
    return f"{_estimate(pair['probability_of_better'], '.2f')} ({ours}, {theirs})"


def _estimate(of: dict[str, Any] | None, form: str) -> str:
    """Return an estimate with its interval, if it has one."""
    if of is None:
        return NONE
    return f"{of['value']:{form}} {interval(of['interval'], form)}" if of["interval"] else f"{of['value']:{form}}"
