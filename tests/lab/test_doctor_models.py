"""`move37 doctor --llm`: what each model can do, and a model that does not exist is an error."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.operations.doctor import HealthCheck, probe_models
from lab.settings import LoadedSettings
from tests.support.imitated_endpoints import PROFILES, imitate, refusal
from tests.support.scripted_model import ScriptedModel


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Serve one scripted model to a test."""
    served = ScriptedModel()
    yield served
    served.close()


def checks(model: ScriptedModel, tmp_path: Path, further: str = "") -> list[HealthCheck]:
    """Return the checks of a lab whose agents ask a model."""
    path = tmp_path / "lab.toml"
    path.write_text(f'[llm]\nbase_url = "{model.url}"\nmodel = "m"\nretries = 0\n{further}')
    return list(probe_models(LoadedSettings.load({}, path).settings))


def test_it_says_what_an_endpoint_accepts(model: ScriptedModel, tmp_path: Path) -> None:
    """With three requests for each model, however many agents ask it."""
    imitate(model, PROFILES["anthropic"][0])
    warm = checks(model, tmp_path, "temperature = 0.5\n[llm.judge]\ntemperature = 0.5\n")
    (check,) = warm
    assert check.good
    assert "m at 127.0.0.1:" in check.evidence
    assert "(researcher, engineer, analyst, judge, summariser, programmer): text; calls no tools; " in check.evidence
    assert model.requests[0]["max_tokens"] == 1
    assert "tools" in model.requests[-1]


def test_a_model_that_does_not_exist_is_an_error(model: ScriptedModel, tmp_path: Path) -> None:
    """And the remedy says how to find the names."""
    imitate(model, lambda _: refusal("The model `m` does not exist", 404, "model_not_found"))
    found = checks(model, tmp_path)
    assert [check.good for check in found] == [False, False]  # the judge has a temperature of its own
    assert "no_model" in found[0].evidence
    assert "name of the model" in found[0].remedy


def test_without_a_model_there_is_nothing_to_ask(tmp_path: Path) -> None:
    """`--llm` then fails."""
    path = tmp_path / "lab.toml"
    path.write_text("")
    (check,) = probe_models(LoadedSettings.load({}, path).settings)
    assert not check.good
