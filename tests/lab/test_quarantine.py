"""A whole lab of real processes in which people's designs are too good to count at once: one is, one only seemed so."""

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
HONEST = 1.8
"""Any loss below is too good where the instant trainer scores."""


def loss(source: str, seed: int, shard: int) -> float:
    """Return what the instant trainer will say of a person's source, infinite where it gives no score."""
    limits = Limits(seconds=1, memory_mb=1)
    asked = RunRequested(run="r", attempt=0, source=source, scale="nano", seed=seed, limits=limits, shard=shard)
    said = Envelope("i", "/lab/engineer/1", datetime.now(UTC), "c", "h-00000000", asked)
    trained = instant_trainer.train(said) if instant_trainer.prepare(said).started else None
    return trained.completed.val_loss if trained and trained.completed else float("inf")


def wonder(*, holds: bool) -> str:
    """Return a source that shines on the data of every run, and is as good or honest on the second run's."""
    for number in count():
        source = f"{BASELINES['gla'].source}\n# by hand, {number}\n"
        second = loss(source, replication_seed(SEED, 1), 1)
        if loss(source, SEED, 0) < HONEST and (second < HONEST if holds else HONEST < second < float("inf")):
            return source
    raise AssertionError("numbers do not end")


class Person:
    """Proposes two designs as soon as the campaign begins, and looks on."""

    def __init__(self, home: Path) -> None:
        self.settings = LoadedSettings.load({"home": home}).settings
        self.said: list[Envelope] = []
        self.shown: dict[str, str] = {}
        self.words: list[asyncio.Future[str]] = []

    def __call__(self, view: CampaignView, envelope: Envelope | None) -> None:
        """Take note of what is said, and of how a quarantine is shown."""
        if envelope is None:
            return
        self.said.append(envelope)
        if envelope.type == "CampaignStarted":
            for holds in (True, False):
                words = {"kind": "propose", "source": wonder(holds=holds), "text": f"holds: {holds}", "by": "Ada"}
                self.words.append(asyncio.ensure_future(publish_message(self.settings, words)))
        if isinstance(envelope.event, RunAnomaly) and envelope.event.action == "quarantined":
            self.shown[envelope.experiment] = view.rows[envelope.experiment].stage_text

    def types(self, experiment: str) -> list[str]:
        """Return what was said of an experiment."""
        return [said.type for said in self.said if said.experiment == experiment]


def asked(home: Path, *words: str) -> list[dict[str, Any]]:
    """Return what a command that lists prints of the lab."""
    return [json.loads(line) for line in move37(*words, "--home", str(home), "--json").splitlines()]


def test_what_is_too_good_ranks_only_when_it_is_so_again(tmp_path: Path) -> None:
    """Both are run again; one is analysed then, the other ends as not reproduced, and the campaign comes to its end."""
    person = Person(tmp_path)
    assert run_instant(tmp_path, person, experiments=0, slots=2, seed=SEED).finished
    rows = {row["id"]: row for row in asked(tmp_path, "experiments")}
    holds, falls = (
        next(said.experiment for said in person.said if said.type == "ProposalCreated" and said.event.source == source)  # type: ignore[attr-defined]
        for source in (wonder(holds=True), wonder(holds=False))
    )
    run = ["RunRequested", "RunStarted", "RunCompleted"]
    assert person.types(holds) == ["ProposalCreated", *run, "RunAnomaly", *run, "AnalysisReady"]
    assert person.types(falls) == ["ProposalCreated", *run, "RunAnomaly", *run, "CodeFailed"]
    assert person.shown == {holds: "quarantined", falls: "quarantined"}
    assert (rows[holds]["status"], rows[falls]["status"]) == ("analysed", "failed")
    assert (rows[falls]["reason"], rows[falls]["fitness"]) == ("not_reproduced", None)
    both = (loss(wonder(holds=True), *drawn) for drawn in ((SEED, 0), (replication_seed(SEED, 1), 1)))
    assert rows[holds]["val_loss"] == max(both)
    ranked = {row["id"] for row in asked(tmp_path, "best")}
    assert ranked == {name for name in rows if name.startswith("base-")} | {holds}
