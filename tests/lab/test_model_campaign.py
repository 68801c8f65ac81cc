"""A whole campaign with a model: what it takes is limited, counted, and shown where one looks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import move37
from tests.support.scripted_model import ScriptedModel, completion
from tests.support.thinker import Thinker

MAX_REQUESTS = 6


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    """Serve a scripted thinker that fences its answers."""
    served, thinker = ScriptedModel(), Thinker()

    def fenced(request: dict[str, Any]) -> tuple[int, bytes]:
        status, body = thinker(request)
        if status != 200:
            return status, body
        content = json.loads(body)["choices"][0]["message"]["content"]
        return 200, completion(f"<think>Hm.</think>\n```json\n{content}\n```")

    served.default_step = fenced
    yield served
    served.close()


@pytest.fixture(scope="module")
def lab(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of a lab whose campaign has ended, and what its command printed on stderr."""
    folder = tmp_path_factory.mktemp("lab")
    table = f'[llm]\nbase_url = "{model.url}"\nmodel = "thinker"\nconcurrency = 1\nretries = 0\n'
    prices = "[llm.prices.thinker]\ninput = 1.0\noutput = 2.0\n"
    (folder / "lab.toml").write_text(table + prices)
    command = [sys.executable, "-m", "tests.support.instant_command", "run", "--home", str(folder / "home")]
    options = ["--experiments", "8", "--max-requests", str(MAX_REQUESTS), "--config", str(folder / "lab.toml")]
    result = subprocess.run([*command, *options], capture_output=True, text=True, timeout=240, check=True)
    (folder / "stdout").write_text(result.stdout)
    return folder, result.stderr


@pytest.mark.slow
def test_the_models_stop_at_the_limit_and_the_campaign_goes_on(model: ScriptedModel, lab: tuple[Path, str]) -> None:
    """Services of other agents may have a request each under way when the limit is reached."""
    folder, stderr = lab
    assert MAX_REQUESTS <= len(model.requests) <= MAX_REQUESTS + 2
    rows = json.loads(move37("status", "--home", str(folder / "home"), "--json"))
    assert rows["campaign"]
    assert "over_budget" in stderr
    assert "models: thinker; about " in stderr
    assert "cost " in stderr


@pytest.mark.slow
def test_cost_sums_what_was_taken(model: ScriptedModel, lab: tuple[Path, str]) -> None:
    """By agent, model or experiment; the sum is what the endpoint has served."""
    folder, _ = lab
    home = ("--home", str(folder / "home"))
    taken = json.loads(move37("cost", *home, "--json"))
    assert taken["limits"]["requests"] == MAX_REQUESTS
    assert taken["total"]["requests"] == len(model.requests)
    assert taken["total"]["cost"] > 0
    researcher = next(row for row in taken["rows"] if row["agent"] == "researcher")
    assert (researcher["model"], researcher["outcomes"].get("over_budget", 0) > 0) == ("thinker", True)
    assert "thinker" in move37("cost", *home, "--by", "experiment,model")
    assert "there is no 'rolle'" in move37("cost", *home, "--by", "rolle", code=2)


@pytest.mark.slow
def test_the_terminal_and_the_report_say_what_failed(lab: tuple[Path, str]) -> None:
    """One line for each agent that asked."""
    folder, _ = lab
    line = "researcher: "
    printed = next(text for text in (folder / "stdout").read_text().splitlines() if line in text)
    assert "answered by thinker" in printed
    assert "the limit is reached" in printed
    assert "Language models, researcher: " in (folder / "home" / "report.html").read_text()


@pytest.mark.slow
def test_a_replay_asks_no_model_and_finds_no_difference(model: ScriptedModel, lab: tuple[Path, str]) -> None:
    """Everything that was answered is in the traces."""
    folder, _ = lab
    before = len(model.requests)
    log = folder / "log.jsonl"
    move37("export-log", str(log), "--home", str(folder / "home"))
    for role in ("researcher", "engineer", "analyst"):
        assert json.loads(move37("replay", str(log), "--agent", role, "--json"))["differences"] == []
    assert len(model.requests) == before
