"""Researcher programs on the command line: how a campaign records one, and what `move37 researcher` says of one."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agents.search import DEFAULT_POLICY, policies
from agents.search.programs.contract import RULES
from agents.search.programs.messages import program_digest
from lab.commands import command_line
from lab.errors import LabError
from lab.home import Home
from lab.operations import preflight
from lab.options import policy_setting
from lab.runtime.campaign_choice import record_of, resolve_settings
from lab.runtime.campaign_start import campaign_started
from lab.settings import LoadedSettings, Settings

BOLD = '''
"""Takes the best."""

from agents.search.policy import PolicyParameters, SearchPolicy, Suggestion


class BoldParameters(PolicyParameters):
    """Parameters of `bold`."""

    rank: int = 0
    """Rank of the parent."""
    experiments: int = 0
    """Length of the campaign."""


class Bold(SearchPolicy):
    """Takes one of the best."""

    name, summary = "bold", "takes one of the best"
    Parameters = BoldParameters

    @classmethod
    def sized_for(cls, experiments, baselines):
        return BoldParameters(experiments=experiments)

    def ask(self, status, state, random):
        yield from ()
        return Suggestion(next(iter(status.ranking[self.parameters.rank :]), None))


POLICY = Bold
'''
COUNT = """from itertools import count

COUNTER = count()


class BoldParameters"""
SUGGESTED = "next(iter(status.ranking[self.parameters.rank :]), None)"
BROKEN = {
    "it suggests without any result": "status.ranking[0]",
    "the same seed gives the same suggestion": "status.ranking[next(COUNTER) % 25] if status.ranking else None",
    "it suggests experiments that there are, none under a veto": "'e0003' if status.analysed > 2 else None",
}
"""Rule → what the program suggests instead, which breaks it."""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with one program."""
    monkeypatch.chdir(tmp_path)
    Path("bold.py").write_text(BOLD)


def settings(**options: Any) -> Settings:
    """Return the settings of a lab whose researcher is the program."""
    return LoadedSettings.load({"policy": policy_setting("bold.py"), "experiments": 30, **options}).settings


def move37(*arguments: str) -> tuple[int, str]:
    """Return the exit code and the output of a command."""
    result = CliRunner().invoke(command_line(), arguments, standalone_mode=False)
    return result.return_value or result.exit_code, result.stdout


def test_the_start_of_a_campaign_holds_the_whole_program() -> None:
    """Its parameters suit the campaign, and the settings override them."""
    started = campaign_started(settings(policy_parameters={"rank": 2}))
    assert started.policy == "program:bold"
    assert started.policy_parameters == {"rank": 2, "experiments": 30}
    assert started.researcher is not None
    assert (started.researcher.source, started.researcher.digest) == (BOLD, program_digest(BOLD))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import os\nPOLICY = 1", r"bold.py: import: line 1: import os: .*hint: move37 researcher check"),
        (BOLD.replace('"bold"', '"Bold One"'), "a policy's name is lower case, such as steady_2, not 'Bold One'"),
        ("\xff", "is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_program_starts_no_campaign(text: str, fault: str) -> None:
    """One line says why."""
    Path("bold.py").write_bytes(text.encode("latin-1"))
    with pytest.raises(LabError, match=fault):
        campaign_started(settings())


def test_wrong_parameters_of_a_program_start_no_campaign() -> None:
    """The program itself refuses them."""
    with pytest.raises(LabError, match=r"parameters: .*rank"):
        campaign_started(settings(policy_parameters={"rank": "high"}))


def test_a_name_stays_a_name_and_a_file_gets_its_whole_path(tmp_path: Path) -> None:
    """So a campaign can be resumed from another folder."""
    assert policy_setting("two_tier") == "two_tier"
    assert policy_setting("fortune") == "fortune"
    assert policy_setting("bold.py") == str(tmp_path / "bold.py")


def test_a_campaign_is_resumed_without_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has the program; another researcher is refused."""
    home = Home(tmp_path / "home")
    home.prepare()
    home.record_campaign(record_of("c", settings()))
    Path("bold.py").unlink()
    for name in ("_sandbox", "_data", "_model"):
        monkeypatch.setattr(preflight, name, lambda _: None)
    preflight.check(resolve_settings(LoadedSettings.load({}).settings, home), home)
    with pytest.raises(LabError, match=r"with policy .*bold.py, not random"):
        resolve_settings(LoadedSettings.load({"policy": "random"}).settings, home)


def test_a_program_that_keeps_every_rule_passes() -> None:
    """Each rule has a line; with --json, a row."""
    code, text = move37("researcher", "check", "bold.py")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == ["pass"] * (len(RULES) + 3)
    code, text = move37("researcher", "check", "bold.py", "--json")
    assert code == 0
    assert json.loads(text)["verdict"] == "passed"


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_fails(rule: str) -> None:
    """The exit code is 1, and the line says which rule, and why."""
    Path("bold.py").write_text(BOLD.replace("class BoldParameters", COUNT, 1).replace(SUGGESTED, BROKEN[rule]))
    code, text = move37("researcher", "check", "bold.py")
    assert code == 1
    assert any(line.startswith(f"FAIL  {rule} (") for line in text.splitlines()), text


def test_the_list_names_everypolicy_setting() -> None:
    """It marks the default."""
    code, text = move37("researcher", "list")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == list(policies())
    assert [line.split()[0] for line in text.splitlines() if line.endswith("(default)")] == [DEFAULT_POLICY]
