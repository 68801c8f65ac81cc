"""Frauds in the log of a meta-campaign that an audit names, even if the chain was forged with the log."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.meta.auditing import AuditFault, audit
from bus.wire.envelope import Envelope, decode
from tests.support.meta_campaigns import run_campaign, settings


@pytest.fixture(scope="module")
def campaign_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the log of a whole campaign."""
    path = tmp_path_factory.mktemp("campaign") / "log.jsonl"
    run_campaign(path, settings(12))
    return path


Event = dict[str, Any]


def forged(log: Path, change: Callable[[list[Event]], object]) -> list[AuditFault]:
    """Return the faults of a log after a change, which also hides it from the chain."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    change(events)
    envelopes: list[Envelope] = [decode(json.dumps(one).encode(), seq) for seq, one in enumerate(events, 1)]
    return list(audit(envelopes))


def of_type(events: list[Event], kind: str, place: int = -1) -> Event:
    """Return an event of a type."""
    return [one for one in events if one["type"] == kind][place]


def inflate(events: list[Event]) -> None:
    """Claim a fitness that the figures don't give."""
    of_type(events, "ResearcherEvaluated", 3)["data"]["fitness"] = 9.0


def shrink_compute(events: list[Event]) -> None:
    """Claim less CPU time, so that the fitness would be higher."""
    for figures in of_type(events, "ResearcherEvaluated", 3)["data"]["families"].values():
        figures["cpu_seconds"], figures["failures"] = 4000.0, 0


def drop_landscapes(events: list[Event]) -> None:
    """Report only the landscapes that went well."""
    for figures in of_type(events, "ResearcherEvaluated", 3)["data"]["families"].values():
        figures["gains"] = sorted(figures["gains"])[-2:]


def look_again(events: list[Event]) -> None:
    """Run a third program on held-out landscapes."""
    look = json.loads(json.dumps(of_type(events, "ResearcherEvaluated")))
    other = next(one for one in events if one["type"] == "ResearcherProposed" and one["subject"] == "p0001")
    if look["subject"] == "p0001":
        other = next(one for one in events if one["subject"] == "p0002")
    look["subject"], look["data"]["source_sha256"] = other["subject"], other["data"]["source_sha256"]
    events.insert(events.index(of_type(events, "ResearcherPromoted")), look)


def delete_a_failure(events: list[Event]) -> None:
    """Take a score out of the log."""
    events.remove(of_type(events, "ResearcherEvaluated", 5))


def score_oneself(events: list[Event]) -> None:
    """Publish a score as the proposer."""
    event = of_type(events, "ResearcherEvaluated", 3)
    event["source"] = event["source"].replace("examiner", "designer")


def swap_the_source(events: list[Event]) -> None:
    """Promote a program other than the one that was scored."""
    of_type(events, "ResearcherProposed")["data"]["source"] += "\n"


def promote_more(events: list[Event]) -> None:
    """Claim a gain that the looks don't show."""
    of_type(events, "ResearcherPromoted")["data"]["gain"] = 5.0


def invent_a_program(events: list[Event]) -> None:
    """Score a program that nobody proposed."""
    of_type(events, "ResearcherEvaluated", 3)["subject"] = "p0777"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (inflate, "false_fitness"),
        (shrink_compute, "false_fitness"),
        (drop_landscapes, "other_landscapes"),
        (look_again, "second_look"),
        (delete_a_failure, "missing_event"),
        (score_oneself, "wrong_publisher"),
        (swap_the_source, "other_source"),
        (promote_more, "false_promotion"),
        (invent_a_program, "unknown_program"),
    ],
)
def test_an_audit_names_a_fraud(campaign_log: Path, change: Callable[[list[Event]], object], name: str) -> None:
    """Even if the chain was forged with the log."""
    assert name in {fault.name for fault in forged(campaign_log, change)}
