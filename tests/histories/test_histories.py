"""Golden histories: today's code decides and remembers what real campaigns did."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from agents.roles.director import SPEC, Director
from bus.delivery.replay import replay_role
from bus.delivery.role import Decision, Post
from bus.vocabulary.events import CampaignFinished, HumanMessage, ProposalRequested
from bus.wire.envelope import Envelope
from lab.operations import replay
from lab.roster import decider_specs
from tests.histories import archive
from tests.support.labs import move37

MAX_BYTES = 300_000
"""Bytes that a history may take in the repository."""


@pytest.fixture(scope="module", params=archive.index())
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported log of each history."""
    return archive.unpack(request.param, tmp_path_factory.mktemp("history"))


def test_a_rebuilt_memory_equals_the_live_one(log: Path) -> None:
    """`replay --rebuild` gives the digest that the lab's own memory had when its campaign ended."""
    record = archive.index()[log.stem]
    history = replay.read_history(log)
    assert len(history) == record["events"]
    assert replay.rebuild(history[: record["position"]])["digest"] == record["digest"]


@pytest.mark.parametrize("role", decider_specs())
def test_every_role_decides_as_it_did(log: Path, role: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`replay --agent ROLE` makes every decision again and finds no difference."""
    history = replay.read_history(log)
    assert replay.replay_and_report(role, history, log, 1, 0, step=False, as_json=True) == 0
    finished = max(envelope.seq for envelope in history if isinstance(envelope.event, CampaignFinished))
    subscribes = decider_specs()[role].subscribes
    handled = [one for one in history if isinstance(one.event, subscribes) and one.seq < finished]
    assert json.loads(capsys.readouterr().out)["decisions"] >= len(handled) > 0


def test_a_history_is_small_and_whole(log: Path) -> None:
    """Its chain is intact, and it adds little to a clone."""
    files = list(archive.FOLDER.glob(f"{log.stem}.*xz"))
    assert len(files) == 3
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES
    assert json.loads(move37("replay", str(log), "--verify", "--json"))["intact"]


class RandomDirector(Director):
    """Draws a slot's references from a source of randomness of its own: what a replay has to catch."""

    @override
    def decide(self, envelope: Envelope) -> Decision:
        posts = yield from super().decide(envelope)
        return [self._with_random_references(post) for post in posts]

    def _with_random_references(self, post: Post) -> Post:
        if not isinstance(post.event, ProposalRequested):
            return post
        references = (f"e{random.SystemRandom().getrandbits(64)}",)
        return Post(post.experiment, post.event.model_copy(update={"references": references}))


def test_a_nondeterministic_agent_is_caught(tmp_path: Path) -> None:
    """Every decision in which it drew differs, and the first difference shows what it drew."""
    log = archive.unpack("normal", tmp_path)
    history, traces = replay.read_history(log), replay.traces_of(log)
    spec = replace(SPEC, build=RandomDirector)
    differences = [difference for _, difference in replay_role(spec, history, traces) if difference]
    causes = {envelope.cause for envelope in history if envelope.type == "ProposalRequested"}
    assert {difference.envelope.id for difference in differences} == causes
    assert differences[0].envelope.type == "CampaignStarted"
    assert "references" in str(differences[0])


def history_of(name: str, folder: Path) -> list[Envelope]:
    """Return the events of a history."""
    return replay.read_history(archive.unpack(name, folder))


def completion_schemas(name: str, folder: Path) -> tuple[set[str], set[str]]:
    """Return the schemas that a model was asked to fill, and those for which it failed at least once."""
    traces = replay.traces_of(archive.unpack(name, folder))
    completions = [answer for (answers,) in traces.values() for answer in answers if answer["question"] == "Completion"]
    return (
        {answer["asked"]["schema_name"] for answer in completions},
        {answer["asked"]["schema_name"] for answer in completions if answer["reply"].get("error")},
    )


def test_self_revision_holds_repairs_that_succeed(tmp_path: Path) -> None:
    """Code failed the static check and the gates, and some of it was repaired, trained and analysed."""
    history = history_of("self-revision", tmp_path)
    stages = {one.event.stage for one in history if one.type == "CodeFailed"}  # type: ignore[attr-defined]
    repaired = {one.experiment for one in history if one.type == "CodeRevised"}
    assert stages >= {"static", "gate"}
    assert repaired & {one.experiment for one in history if one.type == "AnalysisReady"}


def test_anomaly_holds_a_run_that_was_not_finite(tmp_path: Path) -> None:
    """The monitor stopped it."""
    history = history_of("anomaly", tmp_path)
    assert {one.event.kind for one in history if one.type == "RunAnomaly"} >= {"not_finite"}  # type: ignore[attr-defined]


def test_veto_holds_a_stopped_run_and_an_answer(tmp_path: Path) -> None:
    """The run of the vetoed experiment ended, its experiment failed, and the lab answered a question."""
    history = history_of("veto", tmp_path)
    vetoes = (one.event for one in history if isinstance(one.event, HumanMessage) and one.event.kind == "veto")
    target = next(vetoes).target
    ends = [one for one in history if one.experiment == target and one.type in {"RunFailed", "CodeFailed"}]
    assert [one.event.reason for one in ends] == ["vetoed", "vetoed"]  # type: ignore[attr-defined]
    assert any(one.type == "HumanAnswered" for one in history)


def test_model_holds_a_models_ideas_and_repairs(tmp_path: Path) -> None:
    """Where the model failed, the operators proposed."""
    history = history_of("model", tmp_path)
    origins = {one.experiment: one.event.origin for one in history if one.type == "ProposalCreated"}  # type: ignore[attr-defined]
    analysed = {one.experiment for one in history if one.type == "AnalysisReady"}
    assert {origins[name] for name in analysed} >= {"baseline", "model"}
    assert "genetic" in origins.values()
    assert "model" in {one.event.repaired_by for one in history if one.type == "CodeRevised"}  # type: ignore[attr-defined]
    schemas, failed = completion_schemas("model", tmp_path)
    assert schemas == {"Draft", "Revision", "Judgement", "Answer"}
    assert failed >= {"Draft", "Revision"}


def test_crash_holds_kills_and_one_analysis_each(tmp_path: Path) -> None:
    """At least three processes were killed, and every experiment was analysed once."""
    history = history_of("crash", tmp_path)
    assert len(archive.index()["crash"]["killed"]) >= 3
    assert set(Counter(one.experiment for one in history if one.type == "AnalysisReady").values()) == {1}
