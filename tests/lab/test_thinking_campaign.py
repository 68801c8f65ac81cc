"""A whole campaign whose model plans, calls every tool, and writes in several forms: its replay has no difference."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.llm.tools import TOOLS
from bus.vocabulary.events import ProposalCreated
from lab.operations import log_export, replay
from lab.settings import LoadedSettings
from tests.support.labs import move37, run_instant
from tests.support.scripted_model import ScriptedModel
from tests.support.thinker import served_thinker


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Serve the scripted thinker."""
    with served_thinker() as served:
        yield served


@pytest.mark.slow
def test_a_campaign_with_tools_replays_without_a_difference(model: ScriptedModel, tmp_path: Path) -> None:
    """Every tool was called, the gates too, every slot was filled, and a replay asks nobody."""
    home, log = tmp_path / "home", tmp_path / "log.jsonl"
    llm = {"base_url": model.url, "model": "scripted", "retries": 0}
    assert run_instant(home, experiments=8, slots=2, llm=llm).finished
    asyncio.run(log_export.export_log(LoadedSettings.load({"home": home}).settings, log))
    history, asked = replay.read_history(log), len(model.requests)
    ideas = [one.event for one in history if isinstance(one.event, ProposalCreated) and one.event.origin != "baseline"]
    assert len(ideas) == 8
    assert "model" in {idea.origin for idea in ideas}
    asked_of = [answer for attempts in replay.traces_of(log).values() for answers in attempts for answer in answers]
    uses = [
        (use["tool"], use["result"])
        for answer in asked_of
        if answer["question"] == "Completion"
        for use in answer["reply"].get("tool_uses", ())
    ]
    assert {name for name, _ in uses} == set(TOOLS)
    assert not [result for _, result in uses if result.startswith("error: ")]
    assert {"gate" in result for name, result in uses if name == "check_source"} == {True}
    verdicts = {answer["reply"].get("outcome") for answer in asked_of if answer["question"] == "GateCheck"}
    assert verdicts
    assert verdicts <= {"passed", "failed"}
    for role in ("researcher", "engineer", "analyst", "director"):
        assert json.loads(move37("replay", str(log), "--agent", role, "--json"))["differences"] == []
    assert len(model.requests) == asked
