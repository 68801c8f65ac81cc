"""Golden histories: what real campaigns did is what today's code makes of their logs."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from agents import Director
from bus.delivery.durables import SUBSCRIPTIONS
from bus.delivery.replay import replay_role
from bus.delivery.role import Decision, Post
from bus.vocabulary.events import CampaignFinished, HumanMessage
from bus.wire.envelope import Envelope
from lab.operations import replay
from tests.histories import archive
from tests.support.labs import move37

ROLES = ("director", "researcher", "engineer", "analyst", "trainer")
NAMES = tuple(archive.index())
LARGEST = 300_000
"""Bytes that a history may take in the repository."""


@pytest.fixture(scope="module", params=NAMES)
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each history as it was exported."""
    return archive.unpack(request.param, tmp_path_factory.mktemp("history"))


def test_memory_rebuilt_is_the_one_that_lived(log: Path) -> None:
    """`replay --rebuild` gives the digest that the lab's own memory had when its campaign ended."""
    noted = archive.index()[log.stem]
    history = replay.read_history(log)
    assert len(history) == noted["events"]
    assert replay.rebuild(history[: noted["position"]])["digest"] == noted["digest"]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_decides_as_it_did(log: Path, role: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`replay --agent ROLE` makes every decision again and finds no difference."""
    history = replay.read_history(log)
    assert replay.replay_and_report(role, history, log, 1, 0, step=False, as_json=True) == 0
    finished = max(one.seq for one in history if isinstance(one.event, CampaignFinished))
    heard = [one for one in history if isinstance(one.event, SUBSCRIPTIONS[role]) and one.seq < finished]
    assert json.loads(capsys.readouterr().out)["decisions"] >= len(heard) > 0


def test_a_history_is_small_and_whole(log: Path) -> None:
    """Its chain holds, and it does not weigh on a clone."""
    files = list(archive.FOLDER.glob(f"{log.stem}.*xz"))
    assert len(files) == 3
    assert sum(file.stat().st_size for file in files) <= LARGEST
    assert json.loads(move37("replay", str(log), "--verify", "--json"))["intact"]


class Moody(Director):
    """Draws a pool's parents by a dice of its own: what a replay has to catch."""

    def decide(self, envelope: Envelope) -> Decision:
        """Decide as ever, then let the mood have its say."""
        posts = yield from super().decide(envelope)
        return [self._in_a_mood(post) for post in posts]

    def _in_a_mood(self, post: Post) -> Post:
        mood = random.SystemRandom().getrandbits(64)
        if not hasattr(post.event, "references"):
            return post
        return Post(post.experiment, post.event.model_copy(update={"references": (f"e{mood}",)}))


def test_a_nondeterministic_agent_is_caught(tmp_path: Path) -> None:
    """Every decision in which it drew differs, and the first is named with what was drawn then."""
    log = archive.unpack("normal", tmp_path)
    history, traces = replay.read_history(log), replay.traces_of(log)
    found = [difference for _, difference in replay_role(Moody(), history, traces) if difference]
    requested = {one.cause for one in history if one.type in {"ProposalRequested", "PoolUpdated"}}
    assert {one.envelope.id for one in found} == requested
    assert found[0].envelope.type == "CampaignStarted"
    assert "references" in str(found[0])


def unpacked(name: str, folder: Path) -> list[Envelope]:
    return replay.read_history(archive.unpack(name, folder))


def completions(name: str, folder: Path) -> tuple[set[str], set[str]]:
    """Return what a model was asked for, and what it once did not give."""
    traces = replay.traces_of(archive.unpack(name, folder))
    asked = [answer for answers in traces.values() for answer in answers if answer["question"] == "Completion"]
    return (
        {answer["asked"]["schema_name"] for answer in asked},
        {answer["asked"]["schema_name"] for answer in asked if answer["reply"].get("error")},
    )


def test_each_history_holds_what_it_is_about(tmp_path: Path) -> None:
    """Repairs by rule after the static check and after the gates, an anomaly, a veto, a model's ideas, kills."""
    revision = unpacked("self-revision", tmp_path)
    assert {one.event.stage for one in revision if one.type == "CodeFailed"} >= {"static", "gate"}  # type: ignore[attr-defined]
    repaired = {one.experiment for one in revision if one.type == "CodeRevised"}
    assert repaired & {one.experiment for one in revision if one.type == "AnalysisReady"}

    anomaly = unpacked("anomaly", tmp_path)
    assert {one.event.kind for one in anomaly if one.type == "RunAnomaly"} >= {"not_finite"}  # type: ignore[attr-defined]

    veto = unpacked("veto", tmp_path)
    target = next(one.event.target for one in veto if isinstance(one.event, HumanMessage) and one.event.kind == "veto")
    ended = [one.event.reason for one in veto if one.experiment == target and one.type in {"RunFailed", "CodeFailed"}]  # type: ignore[attr-defined]
    assert ended == ["vetoed", "vetoed"]
    assert any(one.type == "HumanAnswered" for one in veto)

    model = unpacked("model", tmp_path)
    created = {one.experiment: one.event.origin for one in model if one.type == "ProposalCreated"}  # type: ignore[attr-defined]
    analysed = {one.experiment for one in model if one.type == "AnalysisReady"}
    assert {created[name] for name in analysed} >= {"baseline", "model"}
    assert "genetic" in created.values(), "the operators stand in where the model has no answer"
    assert "model" in {one.event.repaired_by for one in model if one.type == "CodeRevised"}  # type: ignore[attr-defined]
    asked, failed = completions("model", tmp_path)
    assert asked == {"Draft", "Revision", "Judgement", "Answer"}
    assert failed >= {"Draft", "Revision"}

    crash = unpacked("crash", tmp_path)
    assert len(archive.index()["crash"]["killed"]) >= 3
    assert set(Counter(one.experiment for one in crash if one.type == "AnalysisReady").values()) == {1}
