"""Quarantine in a whole lab: one proposed design is confirmed by its replication, one is not."""

import asyncio
import json
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from agents.analysis.quarantine import replication_seed
from agents.design import BASELINES
from bus.vocabulary.events import Limits, RunAnomaly, RunRequested
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.human_input import publish_message
from lab.settings import LoadedSettings
from tests.support import instant_trainer
from tests.support.labs import move37, run_instant

SEED = 0
MIN_HONEST_LOSS = 1.8
"""Any loss below this is too good for the instant trainer's scores."""


def loss(source: str, seed: int, shard: int) -> float:
    """Return the loss that the instant trainer gives a person's source, infinite if it gives none."""
    limits = Limits(seconds=1, memory_mb=1)
    request = RunRequested(run="r", attempt=0, source=source, scale="nano", seed=seed, limits=limits, shard=shard)
    envelope = Envelope("i", "/lab/engineer/1", datetime.now(UTC), "c", "h-00000000", request)
    trained = instant_trainer.train(envelope) if instant_trainer.prepare(envelope).started else None
    return trained.completed.metrics.val_loss if trained and trained.completed else float("inf")


def too_good_source(*, reproduced: bool) -> str:
    """Return a source whose first loss is too good; its replication is so too if `reproduced`, else it is normal."""
    for number in count():
        source = f"{BASELINES['gla'].source}\n# variant {number}\n"
        second = loss(source, replication_seed(SEED, 1), 1)
        second_fits = second < MIN_HONEST_LOSS if reproduced else MIN_HONEST_LOSS < second < float("inf")
        if loss(source, SEED, 0) < MIN_HONEST_LOSS and second_fits:
            return source
    raise AssertionError("numbers do not end")


class Proposer:
    """Proposes two designs when the campaign starts, and records its events."""

    def __init__(self, home: Path) -> None:
        self.settings = LoadedSettings.load({"home": home}).settings
        self.log: list[Envelope] = []
        self.stages: dict[str, str] = {}
        self.messages: list[asyncio.Future[str]] = []

    def __call__(self, view: CampaignView, envelope: Envelope | None) -> None:
        """Record events, and the stage that the view shows at a quarantine."""
        if envelope is None:
            return
        self.log.append(envelope)
        if envelope.type == "CampaignStarted":
            for reproduced in (True, False):
                source = too_good_source(reproduced=reproduced)
                message = {"kind": "propose", "source": source, "text": f"reproduced: {reproduced}", "by": "Ada"}
                self.messages.append(asyncio.ensure_future(publish_message(self.settings, message)))
        if isinstance(envelope.event, RunAnomaly) and envelope.event.action == "quarantined":
            self.stages[envelope.experiment] = view.rows[envelope.experiment].stage_text

    def types(self, experiment: str) -> list[str]:
        """Return the types of an experiment's events."""
        return [envelope.type for envelope in self.log if envelope.experiment == experiment]


def rows_of(home: Path, *command: str) -> list[dict[str, Any]]:
    """Return the rows that a listing command prints."""
    return [json.loads(line) for line in move37(*command, "--home", str(home), "--json").splitlines()]


def test_a_too_good_score_counts_only_if_it_is_reproduced(tmp_path: Path) -> None:
    """Both designs run again; one is analysed, the other fails as not reproduced, and the campaign finishes."""
    person = Proposer(tmp_path)
    assert run_instant(tmp_path, person, experiments=0, slots=2, seed=SEED).finished
    rows = {row["id"]: row for row in rows_of(tmp_path, "experiments")}
    confirmed, refuted = (
        next(one.experiment for one in person.log if one.type == "ProposalCreated" and one.event.source == source)  # type: ignore[attr-defined]
        for source in (too_good_source(reproduced=True), too_good_source(reproduced=False))
    )
    run = ["RunRequested", "RunStarted", "RunCompleted"]
    assert person.types(confirmed) == ["ProposalCreated", *run, "RunAnomaly", *run, "AnalysisReady"]
    assert person.types(refuted) == ["ProposalCreated", *run, "RunAnomaly", *run, "CodeFailed"]
    assert person.stages == {confirmed: "quarantined", refuted: "quarantined"}
    assert (rows[confirmed]["status"], rows[refuted]["status"]) == ("analysed", "failed")
    assert (rows[refuted]["reason"], rows[refuted]["fitness"]) == ("not_reproduced", None)
    both = (loss(too_good_source(reproduced=True), *run) for run in ((SEED, 0), (replication_seed(SEED, 1), 1)))
    assert rows[confirmed]["val_loss"] == max(both)
    ranked = {row["id"] for row in rows_of(tmp_path, "best")}
    assert ranked == {name for name in rows if name.startswith("base-")} | {confirmed}
