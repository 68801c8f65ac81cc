"""The model that writes researcher programs, at a local endpoint: what it says, what it takes, and how it fails."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.meta.auditing import audit
from agents.meta.history import MetaHistory
from agents.meta.rendering import render
from agents.meta.seeds import SEEDS
from agents.search.programs.hosting import ProgramHost
from bus.vocabulary.events import ModelAnswered, ProgramFailed
from lab.errors import LabError
from lab.model_settings import LimitSettings, ModelSettings
from lab.operations.evolving import evolve
from lab.researchers.meta_log import MetaLog, read_meta_traces
from lab.researchers.programmer import Programmer, programmer_plan
from tests.support.labs import move37
from tests.support.meta_campaigns import GenomeEvaluator, settings
from tests.support.scripted_model import ScriptedModel

PLAN = {"rule": "climb, then widen", "difference": "no program widens", "expected": "on rugged ground"}
YES = {"holds": True, "why": "sound"}
SOUND = {"source": render(SEEDS["hill_climb"], "widening")}
RAISES = {"source": SOUND["source"].replace("        parent = yield", "        1 // 0\n        parent = yield")}


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Return an endpoint with a script."""
    scripted = ScriptedModel()
    yield scripted
    scripted.close()


def run(path: Path, model: ScriptedModel, programs: int, **options: Any) -> MetaHistory:
    """Run a campaign whose programs the model writes, and examine them in the sandbox."""
    llm = ModelSettings(base_url=model.url, model="small", retries=0, **options)
    plan = programmer_plan(llm, "evolve")
    with MetaLog(path) as log, ProgramHost() as host, Programmer(llm, host, log.envelopes) as programmer:
        evaluator = GenomeEvaluator(log)
        return evolve(log, evaluator, settings(programs), 0, programmer=plan, answer=programmer.answer)


def test_a_model_writes_programs_and_its_failures_are_in_the_log(model: ScriptedModel, tmp_path: Path) -> None:
    """One that raises goes back; after an error, an empty and a malformed answer the operators make the program."""
    model.reply_with(PLAN, YES, RAISES, SOUND, YES)
    model.fail_with(500, "out of memory")
    model.reply_with_text("")
    model.reply_with_text("I would rather not.")
    path = tmp_path / "log.jsonl"
    history = run(path, model, 8)
    accounts = [one.event.account for one in history.log if isinstance(one.event, ModelAnswered)]
    assert [one.outcome for one in accounts] == ["answered"] * 5 + ["server_error", "empty", "no_json"]
    assert [one.tokens_in for one in accounts[:5]] == [11] * 5
    assert [one.proposed.operator == "model" for one in history.new] == [True, *[False] * 7]
    assert history.programs["p0001"].proposed.name == "widening"
    failed = [one.event for one in history.log if isinstance(one.event, ProgramFailed)]
    assert [one.reason for one in failed] == ["no_answer"] * 3
    assert list(audit(history.log, read_meta_traces(path))) == []
    faulty = json.dumps(model.requests[3]["messages"])
    assert "ZeroDivisionError" in faulty
    result = json.loads(move37("evolve-researchers", "--log", str(path), "--audit", "--json"))
    assert (result["written"], result["unwritten"], result["spent"]["requests"]) == (1, 3, 8)


def test_a_limit_stops_the_requests_and_no_program(model: ScriptedModel, tmp_path: Path) -> None:
    """What the campaign has taken is in its log, so the next one that continues it knows."""
    model.reply_with(PLAN, YES, SOUND)
    history = run(tmp_path / "log.jsonl", model, 3, limits=LimitSettings(requests=2))
    assert len(model.requests) == 2
    assert [one.account.outcome for one in (e.event for e in history.log) if isinstance(one, ModelAnswered)] == [
        "answered", "answered", "over_budget", "over_budget",
    ]  # fmt: skip
    assert len(history.new) == 3


def test_controls_without_parents_ask_no_model(model: ScriptedModel) -> None:
    """Nor does a lab without an endpoint; a key that is not set is one line."""
    llm = ModelSettings(base_url=model.url, model="small")
    assert [programmer_plan(llm, arm) is not None for arm in ("evolve", "no_archive", "random", "seeds_only")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert programmer_plan(ModelSettings(), "evolve") is None
    with pytest.raises(LabError, match="programmer: the environment variable NO_SUCH_KEY is not set"):
        Programmer(llm.model_copy(update={"api_key_env": "NO_SUCH_KEY"}), ProgramHost(), [])
