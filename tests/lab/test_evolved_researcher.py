"""Evolved programs as researchers of campaigns: by id, from a log, and as a home's default until a veto."""

from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.home import Home
from lab.operations.evolving import veto
from lab.researchers.meta_log import MetaLog, read_meta_log
from lab.runtime import evolved
from lab.runtime.campaign_choice import record_of, resolve_settings
from lab.runtime.researcher import chosen_researcher
from lab.settings import LoadedSettings, Settings
from tests.support.meta_campaigns import run_campaign, settings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a home whose meta-campaign promoted a program."""
    home = Home(tmp_path_factory.mktemp("home"))
    assert run_campaign(home.researchers / "evolved.jsonl", settings(12)).promoted
    return home


def chosen(home: Home, **options: Any) -> tuple[Settings, str]:
    """Return the settings of a campaign with its researcher, and the evidence that a run says."""
    return evolved.choose(LoadedSettings.load({"home": home.root, **options}).settings, home)


def test_a_promoted_program_is_the_default_until_a_veto(home: Home, tmp_path: Path) -> None:
    """The campaign names the promotion, the run says the evidence, and a veto gives back the lab's own policy."""
    log = home.researchers / "evolved.jsonl"
    promotion = next(one for one in read_meta_log(log)[0] if one.type == "ResearcherPromoted")
    taken, evidence = chosen(home)
    assert taken.policy == f"{log}:{promotion.experiment}"
    assert f"({promotion.experiment}), promoted over seed-" in evidence
    assert f"--log {log} --veto {promotion.experiment}" in evidence
    researcher = chosen_researcher(taken, baselines=6)
    assert researcher.program
    assert researcher.program.promotion == promotion.id
    assert researcher.policy == f"program:{researcher.program.name}"
    with MetaLog(log) as events:
        veto(events, promotion.experiment, why="it reads badly")
    assert chosen(home) == (LoadedSettings.load({"home": home.root}).settings, "")
    with MetaLog(log) as events:
        veto(events, promotion.experiment, why="", restore=True)
    assert chosen(home)[0].policy == taken.policy


def test_whoever_names_a_researcher_gets_it(home: Home) -> None:
    """A policy of the lab's own, or a program by its id, by its name, or by its log."""
    log = home.researchers / "evolved.jsonl"
    assert chosen(home, policy="aging")[0].policy == "aging"
    by_id = chosen(home, policy="p0002")
    assert by_id[1] == ""
    assert by_id[0].policy == f"{log}:p0002"
    program = evolved.evolved_program(by_id[0].policy).program
    assert chosen(home, policy=program.proposed.name)[0].policy == f"{log}:p0002"
    assert evolved.evolved_program(str(log)).promotion is not None


def test_a_campaign_that_goes_on_keeps_its_researcher(home: Home, tmp_path: Path) -> None:
    """A promotion since its start does not change it."""
    begun = Home(tmp_path)
    begun.prepare()
    begun.record_campaign(record_of("c", LoadedSettings.load({"policy": "aging"}).settings))
    begun.researchers.mkdir()
    for file in home.researchers.iterdir():
        (begun.researchers / file.name).write_bytes(file.read_bytes())
    assert evolved.home_default(begun) is not None
    assert resolve_settings(chosen(begun)[0], begun).policy == "aging"


def test_what_can_not_be_used_is_one_line(home: Home, tmp_path: Path) -> None:
    """An id in several logs, one in none, and a log that the audit refuses."""
    log = home.researchers / "evolved.jsonl"
    twice = Home(tmp_path / "twice")
    twice.researchers.mkdir(parents=True)
    for name in ("a.jsonl", "b.jsonl"):
        (twice.researchers / name).write_bytes(log.read_bytes())
    with pytest.raises(LabError, match=r"'p0002' is in several logs; hint: choose one of .*a.jsonl:p0002"):
        chosen(twice, policy="p0002")
    with pytest.raises(LabError, match=r"has no program 'p9999'; programs: seed-random"):
        evolved.evolved_program(f"{log}:p9999")
    lines = log.read_bytes().splitlines(keepends=True)
    (twice.researchers / "a.jsonl").write_bytes(b"".join([*lines[:4], *lines[5:]]))
    with pytest.raises(LabError, match=r"position 5: missing_event: .*; hint: restore the log, or choose another"):
        chosen(twice)
