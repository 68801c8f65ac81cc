"""All consumers of a running lab are deleted: they are made again, and nothing that has ended is done again."""

import asyncio
import json
import threading
from collections import Counter
from pathlib import Path

import pytest
import structlog

from bus.vocabulary.events import RunCompleted
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.home import Home
from lab.roster import all_durables
from lab.runtime import campaign
from tests.support.kill_campaign import run_watched
from tests.support.labs import delete_consumers
from tests.support.outcome_faults import faults_of

PLAN = {"experiments": 10, "slots": 4, "seed": 1}
EVENTS_BEFORE_DELETION = 60


class ConsumerDeleter:
    """Deletes every consumer of a lab, once, after a number of events."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._events = 0
        self.thread: threading.Thread | None = None

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Count an event."""
        self._events += envelope is not None
        if self._events >= EVENTS_BEFORE_DELETION and self.thread is None:
            self.thread = threading.Thread(target=lambda: asyncio.run(delete_consumers(self._home, all_durables())))
            self.thread.start()


@pytest.mark.timeout(180)
def test_a_lab_without_consumers_gets_them_again_and_repeats_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The campaign ends as if nothing had happened; one line for each consumer says what did."""
    monkeypatch.setattr(campaign, "CONSUMER_INTERVAL_S", 0.5)
    deleter = ConsumerDeleter(tmp_path / "home")
    with structlog.testing.capture_logs() as lines:
        outcome = run_watched(tmp_path / "home", deleter, **PLAN)
    assert deleter.thread
    deleter.thread.join()
    assert faults_of(outcome, PLAN["experiments"]) == []
    said = {line["consumer"] for line in lines if line["event"] == "a missing consumer was made again"}
    assert {durable.name for durable in all_durables() if not durable.name.endswith("-retry")} - {"desk"} <= said
    runs = Counter(envelope.event.run for envelope in outcome.log if isinstance(envelope.event, RunCompleted))
    assert completed_runs(tmp_path / "home") == runs.total()


def completed_runs(home: Path) -> int:
    """Count the decisions in which the trainer did the work of a run to its end."""
    lines = (Home(home).logs / "trainer-1.log").read_text().splitlines()
    return sum("RunCompleted" in json.loads(line).get("posts", ()) for line in lines)
