"""`move37 run --arms grammar,model`: the grammar fills every second slot, and status and report compare."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.vocabulary.events import ModelAnswered, ProposalCreated, ProposalRequested
from lab.operations import replay
from tests.support.labs import move37
from tests.support.scripted_model import ScriptedModel
from tests.support.thinker import served_thinker


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Serve the scripted thinker."""
    with served_thinker() as served:
        yield served


@pytest.mark.slow
def test_the_grammar_shares_the_slots_with_the_model(model: ScriptedModel, tmp_path: Path) -> None:
    """Its ideas ask no model, both arms are counted with their cost, and a replay has no difference."""
    config, home, log = tmp_path / "lab.toml", str(tmp_path / "home"), tmp_path / "log.jsonl"
    config.write_text(
        f'[llm]\nbase_url = "{model.url}"\nmodel = "thinker"\nretries = 0\n'
        "[llm.prices.thinker]\ninput = 1.0\noutput = 2.0\n"
    )
    command = [sys.executable, "-m", "tests.support.instant_command", "run", "--home", home, "--config", str(config)]
    options = ["--experiments", "8", "--arms", "grammar,model"]
    subprocess.run([*command, *options], capture_output=True, text=True, timeout=240, check=True)
    move37("export-log", str(log), "--home", home)
    history = replay.read_history(log)
    arms = {one.experiment: one.event.arm for one in history if isinstance(one.event, ProposalRequested)}
    origins = {one.experiment: one.event.origin for one in history if isinstance(one.event, ProposalCreated)}
    asked = {
        arms[one.experiment]
        for one in history
        if isinstance(one.event, ModelAnswered) and one.event.agent == "researcher"
    }
    assert [arms[f"e{slot:04}"] for slot in range(1, 9)] == ["guided", "grammar"] * 4
    assert {origins[name] for name, arm in arms.items() if arm == "grammar"} == {"genetic"}
    assert asked == {"guided"}

    rows = {row["arm"]: row for row in json.loads(move37("status", "--home", home, "--json"))["arms"]}
    assert {arm: row["opened"] for arm, row in rows.items()} == {"guided": 4, "grammar": 4}
    assert rows["guided"]["cost"] > rows["grammar"]["cost"] > 0
    assert "grammar" in move37("status", "--home", home)
    page = (Path(home) / "report.html").read_text()
    assert ">grammar</th>" in page[page.index('id="arms"') :]
    for role in ("researcher", "director"):
        assert json.loads(move37("replay", str(log), "--agent", role, "--json"))["differences"] == []
