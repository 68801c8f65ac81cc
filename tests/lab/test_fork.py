"""Forks of a campaign: the past up to a position stays as it was, and the campaign goes on from there to its end."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bus.audit import chain, log_file
from bus.delivery.replay import replay_role
from bus.vocabulary.events import AnalysisReady, CodeFailed, HumanMessage, ProposalRejected, RunCompleted, RunFailed
from bus.wire.envelope import Envelope
from lab.client import human_input
from lab.client.campaign_view import CampaignView
from lab.errors import LabError
from lab.home import Home
from lab.operations import fork as forks
from lab.operations import replay
from lab.operations.fork import ForkSummary
from lab.operations.log_export import export_log
from lab.runtime import campaign
from lab.runtime.campaign import RunOutcome
from lab.settings import LoadedSettings, Settings
from memory.store import Store
from tests.support.labs import move37, run_instant

EXPERIMENTS = 16
STEER = {"text": "try the delta rule", "by": "Ada"}
WIDER = {"text": "prefer a wide window", "by": "Ada"}


def settings(home: Path) -> Settings:
    return LoadedSettings.load({"home": home}).settings


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported log of a whole campaign to which a person spoke as it began; its home lies beside it."""
    home = tmp_path_factory.mktemp("past") / "home"
    spoken: list[asyncio.Future[str]] = []

    def speak(_: CampaignView, envelope: Envelope | None) -> None:
        if not spoken and envelope is not None:
            spoken.append(asyncio.ensure_future(human_input.publish_message(settings(home), STEER)))

    assert run_instant(home, speak, experiments=EXPERIMENTS, slots=3).finished
    log = home.parent / "log.jsonl"
    asyncio.run(export_log(settings(home), log))
    return log


@pytest.fixture(scope="module")
def said(past: Path) -> list[Envelope]:
    """Its events."""
    return list(log_file.read_log(past))


def fork(log: Path, at: int, home: Path) -> ForkSummary:
    return asyncio.run(forks.fork(settings(home), log, at, Home(home)))


@dataclass
class Second:
    """A fork that was spoken to and has run to its end."""

    at: int
    home: Path
    log: Path
    forked: ForkSummary
    outcome: RunOutcome

    def said(self) -> list[Envelope]:
        return list(log_file.read_log(self.log))


@pytest.fixture(scope="module")
def second(past: Path, said: list[Envelope], tmp_path_factory: pytest.TempPathFactory) -> Second:
    """A fork at a moment of the campaign's second half at which a run has begun and not ended."""
    heard = next(one.seq for one in said if isinstance(one.event, HumanMessage))
    at = next(one.seq for one in said if one.type == "RunStarted" and one.seq > max(heard, len(said) // 2))
    folder = tmp_path_factory.mktemp("fork")
    home, log = folder / "home", folder / "log.jsonl"
    forked = fork(past, at, home)
    asyncio.run(human_input.publish_message(settings(home), WIDER))
    outcome = run_instant(home, experiments=EXPERIMENTS + 2, slots=3)
    asyncio.run(export_log(settings(home), log))
    return Second(at, home, log, forked, outcome)


def ends(said: list[Envelope]) -> Counter[str]:
    """Count the events that end each experiment."""
    kinds = AnalysisReady | CodeFailed | ProposalRejected
    return Counter(one.experiment for one in said if isinstance(one.event, kinds) and getattr(one.event, "final", True))


def runs(said: list[Envelope], kinds: Any) -> set[str]:
    """Return the runs that events of some kinds are about."""
    return {one.event.run for one in said if isinstance(one.event, kinds)}  # type: ignore[attr-defined]


def test_a_fork_begins_with_the_past_byte_for_byte(past: Path, second: Second) -> None:
    """Every message in its place; what follows is new."""
    lines = second.log.read_bytes().splitlines()
    assert lines[: second.at] == past.read_bytes().splitlines()[: second.at]
    assert len({one.id for one in second.said()}) == len(lines)


def test_a_fork_ends_with_every_experiment_ended_once(said: list[Envelope], second: Second) -> None:
    """Those of the past's plan and the two that were added."""
    assert second.outcome.finished
    added = {f"e{EXPERIMENTS + 1:04}", f"e{EXPERIMENTS + 2:04}"}
    assert ends(second.said()).keys() == ends(said).keys() | added
    assert set(ends(second.said()).values()) == {1}


def test_what_had_ended_is_not_run_again(second: Second) -> None:
    """The trainers' own logs tell which requests they took up: those that were open, and those of the fork."""
    past, new = second.said()[: second.at], second.said()[second.at :]
    asked = {one.event.run: one.experiment for one in second.said() if one.type == "RunRequested"}  # type: ignore[attr-defined]
    wanted = asked.keys() - runs(past, RunCompleted | RunFailed)
    lines = [json.loads(line) for log in second.home.glob("logs/trainer*.log") for line in log.open()]
    taken_up = Counter(line["experiment"] for line in lines if line["event"] == "decided")
    assert taken_up == Counter(asked[run] for run in wanted)
    assert second.forked.under_way["trainer"] >= 1
    assert runs(new, RunCompleted | RunFailed) == wanted


def test_words_to_a_fork_come_after_those_of_its_past(second: Second) -> None:
    """Both the past and the fork had a first word: the second one is no repetition."""
    assert second.outcome.standing.guidance == (STEER["text"], WIDER["text"])


def test_a_forks_log_is_a_log_like_any_other(second: Second) -> None:
    """Memory is rebuilt from it, every role decides again as recorded, and its chain holds."""
    said, traces = replay.read_history(second.log), replay.traces_beside(second.log)
    with Store(Home(second.home).database, read_only=True) as store:
        assert replay.rebuild(said[: store.position])["digest"] == store.digest()
    for role in ("director", "researcher", "engineer", "analyst", "trainer"):
        assert [str(found) for _, found in replay_role(replay.build_role(role, traces), said, traces) if found] == []
    links = list(chain.read_chain(Home(second.home).chain))
    assert len(links) > second.at
    assert move37("replay", str(second.log), "--verify").startswith(f"{len(said)} messages are as they were noted")


def test_a_home_is_forked_with_its_weights(past: Path, said: list[Envelope], tmp_path: Path) -> None:
    """Those trained by then; an exported file has none to give."""
    source = past.parent / "home"
    done = next(one for one in said if isinstance(one.event, RunCompleted))
    weights = source / "artifacts" / done.event.weights  # type: ignore[attr-defined]
    weights.write_bytes(b"weights")
    try:
        assert fork(source, done.seq, tmp_path / "fork").weights == 1
    finally:
        weights.unlink()
    assert (tmp_path / "fork" / "artifacts" / weights.name).read_bytes() == b"weights"


def test_a_fork_at_the_end_has_nothing_in_hand(past: Path, said: list[Envelope], tmp_path: Path) -> None:
    """Every decision of a finished campaign is made; the home holds its plan."""
    told = json.loads(move37("fork", str(past), "--at", str(len(said)), "--home", str(tmp_path / "fork"), "--json"))
    assert set(told["under_way"].values()) == {0}
    assert (told["events"], told["weights"]) == (len(said), 0)
    assert (
        campaign.resolve_settings(LoadedSettings.load({"home": tmp_path / "fork"}), Home(tmp_path / "fork")).experiments
        == EXPERIMENTS
    )


def test_a_position_that_is_not_there_is_one_line(past: Path, tmp_path: Path) -> None:
    """On stderr, with the last one that is."""
    told = move37("fork", str(past), "--at", "9999", "--home", str(tmp_path / "fork"), code=1)
    assert "no position 9999; its last is" in told
    assert len(told.strip().splitlines()) == 1


def test_a_home_that_holds_something_is_refused(past: Path, tmp_path: Path) -> None:
    """A fork overwrites nothing."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LabError, match="not empty"):
        fork(past, 5, tmp_path)


def test_a_past_that_was_changed_is_refused(past: Path, tmp_path: Path) -> None:
    """The hashes beside it say from where on."""
    log = tmp_path / "log.jsonl"
    for suffix in (".jsonl", ".traces.jsonl", ".chain"):
        log.with_suffix(suffix).write_bytes(past.with_suffix(suffix).read_bytes())
    content = log.read_bytes().splitlines(keepends=True)
    content[9] = content[9].replace(b'"type"', b'"tyqe"')
    log.write_bytes(b"".join(content))
    with pytest.raises(LabError, match="position 10 "):
        fork(log, 20, tmp_path / "fork")
    assert fork(log, 9, tmp_path / "before").events == 9
