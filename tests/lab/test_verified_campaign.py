"""A campaign that verifies its best design through the whole lab: real processes, a real server, trained models."""

import json
from pathlib import Path

import pytest

from bus.vocabulary.events import (
    CampaignFinished,
    DiscoveryRefuted,
    EvidenceReady,
    PromotionDecided,
    VerificationCompleted,
    VerificationRequested,
)
from bus.wire.envelope import Envelope
from lab.operations.replay import read_history, rebuild
from lab.roster import decider_specs
from tests.support.labs import FinishedLab, move37, run_instant, tiny

pytestmark = pytest.mark.timeout(900)
PLAN = {"candidates": 1, "rungs": ["nano", "nano"], "looks": [2], "baselines": 1, "futility": 0.0}
SETTINGS = f"[verification]\n{''.join(f'{name} = {json.dumps(value)}{chr(10)}' for name, value in PLAN.items())}"


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> FinishedLab:
    """Two designs, of which the better one climbs: two seeds can't confirm anything, so it is refuted."""
    home = tmp_path_factory.mktemp("verified") / "lab"
    outcome = run_instant(home, services=tiny, experiments=2, trainers=2, verification=PLAN)
    assert outcome.finished
    assert outcome.results.verification is not None
    return FinishedLab(home, {}, outcome.seconds)


@pytest.fixture(scope="module")
def log(verified: FinishedLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("log") / "log.jsonl"
    verified.move37("export-log", str(file))
    return file


def of(log: Path, kind: type) -> list[Envelope]:
    return [envelope for envelope in read_history(log) if isinstance(envelope.event, kind)]


def test_the_campaign_ends_with_a_verdict(log: Path) -> None:
    """One promotion, four runs on two fresh seeds, one look, one verdict, and only then the end."""
    (promotion,) = of(log, PromotionDecided)
    assert isinstance(promotion.event, PromotionDecided)
    assert len(promotion.event.runs) == 4
    assert len({run.seed for run in promotion.event.runs}) == 2
    requests, results = of(log, VerificationRequested), of(log, VerificationCompleted)
    runs = {planned.run for planned in promotion.event.runs}
    assert sorted(one.event.run for one in requests) == sorted(runs)  # type: ignore[attr-defined]
    assert sorted(one.event.run for one in results) == sorted(runs)  # type: ignore[attr-defined]
    (refuted,), (ended,) = of(log, DiscoveryRefuted), of(log, CampaignFinished)
    assert of(log, EvidenceReady)[0].seq < refuted.seq < ended.seq


def test_memory_is_rebuilt_and_every_role_decides_the_same_again(log: Path) -> None:
    assert rebuild(read_history(log))["events"] == len(read_history(log))
    for role in decider_specs():
        assert "0 differ" in move37("replay", str(log), "--agent", role)


def test_the_commands_tell_the_claim(verified: FinishedLab) -> None:
    """From the log, from memory, and in the report that the run wrote."""
    (claim,) = [json.loads(line) for line in verified.move37("evidence", "--json").splitlines()]
    assert claim["standing"] == "refuted"
    text = verified.move37("evidence", claim["candidate"])
    assert "move37 train repeat/" in text
    status = json.loads(verified.move37("status", "--json"))
    assert [row["standing"] for row in status["verification"]] == ["refuted"]
    assert "discovery" in verified.move37("why", claim["candidate"])
    report = verified.home / "claims.html"
    verified.move37("report", "--out", str(report))
    assert 'id="verification"' in report.read_text()


def test_a_resumed_campaign_keeps_its_plan(verified: FinishedLab, tmp_path: Path) -> None:
    """Another plan is refused in one line; the same one is not."""
    toml = tmp_path / "lab.toml"
    toml.write_text(SETTINGS.replace("[2]", "[2, 4]"))
    refusal = verified.move37("run", "--experiments", "2", "--config", str(toml), code=1)
    assert "fixed its verification plan when it started; hint: give --campaign NAME" in refusal
    toml.write_text(SETTINGS)
    verified.move37("run", "--experiments", "2", "--config", str(toml))
