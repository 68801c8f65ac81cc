"""Settings: four sources in a fixed order, a source for each value, one line for every mistake."""

from pathlib import Path

import pytest

from lab.errors import LabError, WrongUsage
from lab.runtime.campaign_start import campaign_started
from lab.settings import LoadedSettings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder without a lab.toml."""
    monkeypatch.chdir(tmp_path)


def test_the_command_line_wins_over_the_environment_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source overrides the later ones, and the origin names the source of the value."""
    (tmp_path / "lab.toml").write_text("seed = 1\ntrainers = 1\nslots = 1\n")
    monkeypatch.setenv("MOVE37_TRAINERS", "3")
    monkeypatch.setenv("MOVE37_SLOTS", "3")
    loaded = LoadedSettings.load({"slots": 5, "scale": None})
    assert (loaded.settings.seed, loaded.settings.trainers, loaded.settings.slots) == (1, 3, 5)
    origins = [loaded.origins[name] for name in ("seed", "trainers", "slots", "scale")]
    assert origins == ["lab.toml", "environment", "command line", "default"]


def test_a_table_is_merged_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may set one key of a table that the file sets another of."""
    (tmp_path / "lab.toml").write_text('[llm]\nbase_url = "http://127.0.0.1:1/v1"\n')
    monkeypatch.setenv("MOVE37_LLM__MODEL", "small")
    llm = LoadedSettings.load({}).settings.llm
    assert (llm.base_url, llm.model) == ("http://127.0.0.1:1/v1", "small")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("seed = -1", r"seed = -1 \(lab.toml\)"),
        ("sede = 1", "unknown setting 'sede' in lab.toml"),
        ("seed = ", "not valid TOML"),
        ('sandbox = "hope"', "sandbox = 'hope'"),
        ("[llm]\ntemperature = 9", r"llm.temperature = 9"),
        ("[streams.LAB_EVENT]\nmax_bytes = 9", "no stream LAB_EVENT; hint: choose one of LAB_EVENTS, LAB_TRACES"),
        ("[streams.LAB_EVENTS]\nmax_age = 9", "LAB_EVENTS forgets nothing"),
        ('[streams.LAB_EVENTS]\ndiscard = "old"', "LAB_EVENTS forgets nothing"),
        ("[streams.LAB_DEAD]\nmax_bytes = 0", r"streams.LAB_DEAD.max_bytes = 0"),
    ],
)
def test_a_mistake_is_named_with_its_source(tmp_path: Path, toml: str, message: str) -> None:
    """The error has the setting, its source, and what is wrong."""
    (tmp_path / "lab.toml").write_text(toml)
    with pytest.raises(LabError, match=message):
        LoadedSettings.load({})


def test_a_bad_value_on_the_command_line_is_wrong_usage() -> None:
    """So the command ends with exit code 2."""
    with pytest.raises(WrongUsage, match=r"experiments = -3 \(command line\)"):
        LoadedSettings.load({"experiments": -3})


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('policy = "fortune"', "unknown search policy 'fortune'; policies: .*two_tier"),
        ("[policy_parameters]\nsurprise = 1", r"\[policy_parameters\] surprise: no such setting; hint: .*children"),
        ("[policy_parameters]\nchildren = 0", r"\[policy_parameters\] children: .*\(0\)"),
        ("[roles.wizard]\nmax_ideas = 1", r"\[roles.wizard\]: no such role has settings; hint: .*researcher"),
        ("[roles.researcher]\nmax_ideas = 0", r"\[roles.researcher\] max_ideas: .*\(0\)"),
        ("[roles.researcher]\nideas = 2", r"\[roles.researcher\] ideas: no such setting; hint: .*max_ideas"),
    ],
)
def test_a_mistake_in_what_steers_a_campaign_is_one_line(tmp_path: Path, toml: str, message: str) -> None:
    """Before anything starts, the error names the table, the setting and the values that are possible."""
    (tmp_path / "lab.toml").write_text(toml)
    settings = LoadedSettings.load({}, tmp_path / "lab.toml").settings
    with pytest.raises(LabError, match=message) as error:
        campaign_started(settings)
    assert "\n" not in str(error.value)


def test_a_named_file_has_to_exist() -> None:
    """A missing file in `--config` is an error; a missing lab.toml is not."""
    with pytest.raises(LabError, match="no settings file"):
        LoadedSettings.load({}, Path("other.toml"))


def test_an_empty_variable_is_unset_and_a_misspelt_one_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning has the nearest name."""
    monkeypatch.setenv("MOVE37_TRAINERS", "")
    monkeypatch.setenv("MOVE37_TRAINER", "4")
    assert LoadedSettings.load({}).settings.trainers == 2
    assert capsys.readouterr().err == "warning: MOVE37_TRAINER is no setting; hint: did you mean MOVE37_TRAINERS?\n"


def test_the_variable_of_the_models_key_is_no_misspelt_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`llm.api_key_env` may name any variable."""
    monkeypatch.setenv("MOVE37_API_KEY", "secret")
    LoadedSettings.load({"llm": {"api_key_env": "MOVE37_API_KEY"}})
    assert capsys.readouterr().err == ""


def test_a_seed_has_63_bits() -> None:
    """A larger one could not be stored."""
    assert LoadedSettings.load({"seed": 2**63 - 1}).settings.seed == 2**63 - 1
    with pytest.raises(LabError, match="seed = 9223372036854775808"):
        LoadedSettings.load({"seed": 2**63})
