"""Forks of a campaign: the log up to a position is unchanged, and the campaign continues from there to its end."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bus.audit import chain, log_file
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.replay import replay_role
from bus.security.access import HUMAN
from bus.security.keys import public_key, seed_path
from bus.vocabulary.events import HumanMessage, ProposalRequested, RunCompleted, RunFailed, RunRequested
from bus.wire.envelope import Envelope
from dashboard.server.source import ForkRefused, ForkWish
from lab.client import human_input
from lab.client.campaign_view import CampaignView
from lab.errors import LabError, WrongUsage
from lab.home import Home
from lab.observability.dashboard_forks import DashboardForks
from lab.operations import compare as comparisons
from lab.operations import fork as forks
from lab.operations import replay
from lab.operations.fork import UNCHANGED, ForkSummary
from lab.operations.log_export import export_log
from lab.roster import decider_specs
from lab.runtime.campaign import RunOutcome
from lab.runtime.campaign_choice import resolve_settings
from lab.runtime.fork_changes import ForkChanges
from lab.settings import LoadedSettings, Settings
from memory.store import Store
from tests.support.endings import ends
from tests.support.labs import move37, processes_of, run_instant
from tests.support.recorded_lab import RecordedSpeaker

EXPERIMENTS = 16
INSTANT = (sys.executable, "-m", "tests.support.instant_command")
STEER = {"text": "try the delta rule", "by": "Ada"}
WIDER = "prefer a wide window"


def settings(home: Path) -> Settings:
    return LoadedSettings.load({"home": home}).settings


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported log of a whole campaign with a message at its start; the campaign's home is in the same folder."""
    home = tmp_path_factory.mktemp("past") / "home"
    sent: list[asyncio.Future[str]] = []

    def send(_: CampaignView, envelope: Envelope | None) -> None:
        if not sent and envelope is not None:
            sent.append(asyncio.ensure_future(human_input.publish_message(settings(home), STEER)))

    assert run_instant(home, send, experiments=EXPERIMENTS, slots=3).finished
    log = home.parent / "log.jsonl"
    asyncio.run(export_log(settings(home), log))
    return log


@pytest.fixture(scope="module")
def history(past: Path) -> list[Envelope]:
    """Return the events of that log."""
    return list(log_file.read_log(past))


def fork(log: Path, at: int, home: Path, text: str = "", changes: ForkChanges = UNCHANGED) -> ForkSummary:
    return asyncio.run(forks.fork(settings(home), log, at, Home(home), text, changes))


@dataclass
class ForkRun:
    """A fork that got a message, another policy and another seed of the search, and has run to its end."""

    at: int
    home: Path
    log: Path
    forked: ForkSummary
    outcome: RunOutcome

    def history(self) -> list[Envelope]:
        return list(log_file.read_log(self.log))


@pytest.fixture(scope="module")
def fork_run(past: Path, history: list[Envelope], tmp_path_factory: pytest.TempPathFactory) -> ForkRun:
    """A fork at a position in the second half of the campaign at which a run has started and not ended."""
    message_seq = next(one.seq for one in history if isinstance(one.event, HumanMessage))
    begin = max(message_seq, len(history) // 2)
    at = next(one.seq for one in history if one.type == "RunStarted" and one.seq > begin)
    folder = tmp_path_factory.mktemp("fork")
    home, log = folder / "home", folder / "log.jsonl"
    forked = fork(past, at, home, WIDER, ForkChanges(policy="random", search_seed=3))
    outcome = run_instant(home, experiments=EXPERIMENTS + 2, slots=3)
    asyncio.run(export_log(settings(home), log))
    return ForkRun(at, home, log, forked, outcome)


def runs(history: list[Envelope], kinds: Any) -> set[str]:
    """Return the runs of events of some kinds."""
    return {one.event.run for one in history if isinstance(one.event, kinds)}  # type: ignore[attr-defined]


def test_a_fork_starts_with_the_same_log_byte_for_byte(past: Path, fork_run: ForkRun) -> None:
    """Every message up to the position is the same; the later ones have new ids."""
    lines = fork_run.log.read_bytes().splitlines()
    assert lines[: fork_run.at] == past.read_bytes().splitlines()[: fork_run.at]
    assert len({one.id for one in fork_run.history()}) == len(lines)


def test_a_fork_searches_under_the_policy_that_it_was_given(history: list[Envelope], fork_run: ForkRun) -> None:
    """Its slots but the control arms' begin from scratch; what is trained has the campaign's seed as before."""
    assert fork_run.forked.changes == {"policy": "random", "search seed": 3}
    started = fork_run.outcome.results.status.started
    assert started is not None
    assert (started.policy, started.search_seed, fork_run.outcome.view.started) == ("random", 3, started)
    log = fork_run.history()
    assert log[fork_run.at].type == "CampaignForked"
    since = {one.id for one in log[fork_run.at :]}
    asked = [one.event for one in log if isinstance(one.event, ProposalRequested) and one.cause in since]
    assert {one.parent for one in asked if one.arm == "guided"} == {None}
    assert (
        len({one.event.seed for one in [*history, *log] if isinstance(one.event, RunRequested) and not one.event.shard})
        == 1
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (ForkChanges(policy="luck"), "unknown search policy 'luck'"),
        (ForkChanges(models="settings"), "the settings name no model; hint: write .llm. in lab.toml"),
    ],
)
def test_a_change_that_is_impossible_is_refused(past: Path, tmp_path: Path, changes: ForkChanges, fault: str) -> None:
    """As a wrong usage, before anything is written."""
    with pytest.raises(WrongUsage, match=fault):
        fork(past, 9, tmp_path / "fork", changes=changes)
    assert not (tmp_path / "fork").exists()


def test_every_experiment_of_a_fork_ends_once(history: list[Envelope], fork_run: ForkRun) -> None:
    """The experiments of the original budget and the two added ones all end."""
    assert fork_run.outcome.finished
    added = {f"e{EXPERIMENTS + 1:04}", f"e{EXPERIMENTS + 2:04}"}
    assert ends(fork_run.history()).keys() == ends(history).keys() | added
    assert set(ends(fork_run.history()).values()) == {1}


def test_ended_runs_are_not_repeated(fork_run: ForkRun) -> None:
    """The trainers' logs show the handled requests: those that were open, and those of the fork."""
    past, new = fork_run.history()[: fork_run.at], fork_run.history()[fork_run.at :]
    requested = {one.event.run: one.experiment for one in fork_run.history() if one.type == "RunRequested"}  # type: ignore[attr-defined]
    open_runs = requested.keys() - runs(past, RunCompleted | RunFailed)
    lines = [json.loads(line) for log in fork_run.home.glob("logs/trainer*.log") for line in log.open()]
    handled = Counter(line["experiment"] for line in lines if line["event"] == "decided")
    assert handled == Counter(requested[run] for run in open_runs)
    assert fork_run.forked.under_way["trainer"] >= 1
    assert runs(new, RunCompleted | RunFailed) == open_runs


def test_a_message_to_a_fork_comes_after_the_earlier_ones(fork_run: ForkRun) -> None:
    """Each inbox had one message: the fork's is not taken for a repetition."""
    assert fork_run.outcome.results.status.guidance == (STEER["text"], WIDER)


def test_a_forks_log_is_a_log_like_any_other(fork_run: ForkRun) -> None:
    """Memory can be rebuilt from it, every role decides the same in a replay, and its chain is intact."""
    history, traces = replay.read_history(fork_run.log), replay.traces_of(fork_run.log)
    with Store(Home(fork_run.home).database, read_only=True) as store:
        assert replay.rebuild(history[: store.position])["digest"] == store.digest()
    for spec in decider_specs().values():
        assert [str(difference) for _, difference in replay_role(spec, history, traces) if difference] == []
    links = list(chain.read_chain(Home(fork_run.home).chain))
    assert len(links) > fork_run.at
    assert move37("replay", str(fork_run.log), "--verify").startswith(f"{len(history)} messages match their hashes")


def test_a_fork_is_compared_with_its_original(past: Path, history: list[Envelope], fork_run: ForkRun) -> None:
    """A home is as good as the log that it holds."""
    exported = comparisons.compare([(history, fork_run.history())])
    assert json.loads(move37("compare", str(past), str(fork_run.home), "--json")) == exported
    assert exported["figures"]["experiments"]["difference"] >= 1  # of two more, one may be a copy that nobody trains


def test_a_fork_of_a_home_has_its_weights(past: Path, history: list[Envelope], tmp_path: Path) -> None:
    """The weights trained by the position are copied; an exported file has no weights."""
    source = past.parent / "home"
    completed = next(one for one in history if isinstance(one.event, RunCompleted))
    weights = source / "artifacts" / completed.event.weights  # type: ignore[attr-defined]
    weights.write_bytes(b"weights")
    try:
        assert fork(source, completed.seq, tmp_path / "fork").weights == 1
    finally:
        weights.unlink()
    assert (tmp_path / "fork" / "artifacts" / weights.name).read_bytes() == b"weights"


def test_a_fork_at_the_end_has_no_unfinished_decision(past: Path, history: list[Envelope], tmp_path: Path) -> None:
    """Every decision of a finished campaign is complete; the home has the campaign's budget, and its own policy."""
    home, changes = tmp_path / "fork", ("--policy", "random", "--seed", "3", "--models", "none")
    summary = json.loads(move37("fork", str(past), "--at", str(len(history)), "--home", str(home), *changes, "--json"))
    assert summary["changes"] == {"policy": "random", "search seed": 3, "models": "none"}
    assert set(summary["under_way"].values()) == {0}
    assert (summary["events"], summary["weights"]) == (len(history), 0)
    resolved = resolve_settings(LoadedSettings.load({"home": home}).settings, Home(home))
    assert (resolved.experiments, resolved.policy) == (EXPERIMENTS, "random")
    with pytest.raises(LabError, match="holds a campaign with policy random, not aging"):
        resolve_settings(LoadedSettings.load({"home": home, "policy": "aging"}).settings, Home(home))


def test_a_position_after_the_end_is_refused(past: Path, tmp_path: Path) -> None:
    """One line on stderr has the last position."""
    stderr = move37("fork", str(past), "--at", "9999", "--home", str(tmp_path / "fork"), code=1)
    assert "no position 9999; hint: its last position is" in stderr
    assert len(stderr.strip().splitlines()) == 1


def test_a_folder_with_files_is_refused(past: Path, tmp_path: Path) -> None:
    """A fork overwrites nothing."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LabError, match="not empty"):
        fork(past, 5, tmp_path)


def test_a_damaged_log_is_refused(past: Path, tmp_path: Path) -> None:
    """The error has the damaged position; a fork before it is possible."""
    log = tmp_path / "log.jsonl"
    for suffix in (".jsonl", ".traces.jsonl", ".chain"):
        log.with_suffix(suffix).write_bytes(past.with_suffix(suffix).read_bytes())
    content = log.read_bytes().splitlines(keepends=True)
    content[9] = content[9].replace(b'"type"', b'"tyqe"')
    log.write_bytes(b"".join(content))
    with pytest.raises(LabError, match="damaged at position 10; refusing to fork"):
        fork(log, 20, tmp_path / "fork")
    assert fork(log, 9, tmp_path / "before").events == 9


@dataclass
class Owner:
    """A person who has signed in with the owner's key of a home."""

    home: Path

    @property
    def public_key(self) -> str:
        """Return the public part of the key; see PersonSpeaker."""
        return public_key(seed_path(Home(self.home).keys, HUMAN))

    async def say(self, campaign: str, message: Mapping[str, Any]) -> str:
        """Say nothing; see PersonSpeaker."""
        raise AssertionError(f"a fork needs no message, but {campaign} was told {message}")

    async def close(self) -> None:
        """End nothing; see PersonSpeaker."""


async def test_a_dashboards_fork_outlives_it_and_can_be_stopped(
    past: Path, history: list[Envelope], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second dashboard of the home sees it run, starts no other, and stops it in order."""
    home, wish = (
        past.parent / "home",
        ForkWish(at=len(history) // 2, text="--prefer a wide window", experiments=400, policy="random", models="none"),
    )
    monkeypatch.setenv("MOVE37_SEED", "7")  # the lab's own settings do not reach the fork
    first, second = (DashboardForks(Home(home), 1, INSTANT) for _ in range(2))
    with pytest.raises(ForkRefused, match="none of this home's"):
        await first.start(wish, RecordedSpeaker(MemoryTransport(), "ada"))
    with pytest.raises(ForkRefused, match="no search policy is called luck"):
        await first.start(wish.model_copy(update={"policy": "luck"}), Owner(home))
    name = await first.start(wish, Owner(home))
    try:
        while (shown := second.listed()["forks"][0])["state"] == "copying":
            await asyncio.sleep(0.2)
        assert (shown["state"], shown["by"], shown["at"]) == ("running", "owner", wish.at), shown["said"]
        arguments = processes_of(Path(shown["home"]))[shown["pid"]]
        assert {f"--say={wish.text}".encode(), b"--policy=random", b"--models=none"} <= {*arguments}
        with pytest.raises(ForkRefused, match="1 may run at once"):
            await second.start(wish, Owner(home))
        while not shown["page"] or not Home(Path(shown["home"])).running():
            await asyncio.sleep(0.2)
            shown = second.listed()["forks"][0]
    finally:
        await second.stop(name, Owner(home))
    while (shown := first.listed()["forks"][0])["state"] != "ended":
        await asyncio.sleep(0.2)
    assert processes_of(Path(shown["home"])) == {}
    assert "move37: " not in shown["said"]
    with pytest.raises(ForkRefused, match="does not run"):
        await first.stop(name, Owner(home))
