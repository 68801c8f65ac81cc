"""`move37 evolve-researchers` on a log that exists: audit, veto, the default program, and what it refuses."""

import json
from pathlib import Path

import pytest

from tests.support.labs import move37
from tests.support.meta_campaigns import run_campaign, settings
from tests.support.programs import policy_of


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the log of a campaign that promoted a program."""
    path = tmp_path_factory.mktemp("campaign") / "log.jsonl"
    assert run_campaign(path, settings(12)).promoted
    return path


def test_the_default_program_can_be_written_until_a_veto(log: Path, tmp_path: Path) -> None:
    """The file is a policy; with the veto the default is as it was, and the exit code is 1."""
    out = tmp_path / "program.py"
    result = json.loads(move37("evolve-researchers", "--log", str(log), "--audit", "--out", str(out), "--json"))
    assert result["default"] == result["promoted"][0]
    assert policy_of(out.read_text()).name.startswith("evolved_")
    vetoed = move37("evolve-researchers", "--log", str(log), "--veto", result["default"])
    assert "default researcher: unchanged, by a veto" in vetoed
    refused = move37("evolve-researchers", "--log", str(log), "--audit", "--out", str(out), code=1)
    assert "a veto is in force" in refused
    assert json.loads(move37("evolve-researchers", "--log", str(log), "--restore", result["default"], "--json"))[
        "default"
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--arm", "luck"], 2, "no arm 'luck'; arms: evolve, no-archive, random, seeds-only"),
        (["--audit"], 1, "need the log of a campaign"),
        (["--programs", "-1"], 2, "--programs"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], code: int, text: str) -> None:
    """It says what to do."""
    assert text in move37("evolve-researchers", *arguments, code=code)


def test_a_forged_log_is_refused(log: Path, tmp_path: Path) -> None:
    """The first fault is named with its position; without the chain the audit finds it."""
    forged = tmp_path / "forged.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    forged.write_bytes(b"".join(lines[:4] + lines[5:]))
    assert "position 5: missing_event" in move37("evolve-researchers", "--log", str(forged), "--audit", code=1)
