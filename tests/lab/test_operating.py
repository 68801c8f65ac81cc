"""Operating a lab from the command line: its services, its dead letters, and the proof that its log is whole."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nats
import pytest

from bus.audit.chain import ChainLink
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.security.identity import Identity
from bus.vocabulary.events import HumanMessage
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.home import Home
from lab.runtime import campaign
from lab.settings import LoadedSettings
from tests.chaos.driver import services
from tests.support.labs import ROOT, move37

ROLES = {"memory", "director", "researcher", "engineer", "analyst", "desk", "trainer"}
GARBAGE = b"\xff\xfe\ngarbage"


class Operator:
    """Looks at the services of a running lab once, and disturbs it once."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.status: dict[str, Any] = {}
        self.disturbing: asyncio.Future[None] | None = None
        self.speaking: asyncio.Future[None] | None = None
        self.heard: list[HumanMessage] = []

    def __call__(self, view: CampaignView, envelope: Envelope | None) -> None:
        """Act when the first run is over, and listen."""
        if not self.status and view.counts["AnalysisReady"]:
            self.status = json.loads(move37("status", "--home", str(self.home), "--json"))
            self.disturbing = asyncio.ensure_future(_publish(self.home, self.status["nats_url"], view.campaign))
            self.speaking = asyncio.ensure_future(_speak(self.status))
        if envelope and isinstance(envelope.event, HumanMessage):
            self.heard.append(envelope.event)


async def _speak(status: dict[str, Any]) -> None:
    """Say something with the stock client, knowing what `move37 status --json` tells."""
    client = await nats.connect(status["nats_url"], nkeys_seed=status["human_creds"])
    await client.publish(f"lab.human.{status['campaign']}", b'{"text": "try decay", "by": "Ada"}')
    await client.close()


async def _publish(home: Path, url: str, campaign: str) -> None:
    """Publish garbage with the one key that may publish anywhere."""
    identity = Identity(access.ADMIN, keys.seed_path(Home(home).keys, access.ADMIN))
    transport = await NatsTransport.connect(url, name="nobody", identity=identity)
    await transport.publish(f"lab.human.{campaign}", GARBAGE, "g1")
    await transport.publish(f"lab.events.{campaign}.e0001.CampaignPaused", GARBAGE, "g2")
    await transport.close()


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """A lab that was looked at, disturbed, and has finished."""
    operator = Operator(tmp_path_factory.mktemp("operated"))
    assert endure_disturbed(operator)
    return operator


def endure_disturbed(operator: Operator) -> bool:
    """Run a campaign whose log holds a message that nobody reads."""
    home = Home(operator.home)
    home.prepare()
    settings = LoadedSettings.load({"home": home.root, "trainers": 1, "experiments": 30, "slots": 2}).settings
    return asyncio.run(campaign.run_campaign(settings, home, operator, services)).finished


def lines(operator: Operator, *arguments: str) -> list[dict[str, Any]]:
    """Return what a command prints, a JSON object a line."""
    return [json.loads(line) for line in move37(*arguments, "--home", str(operator.home), "--json").splitlines()]


def test_status_shows_every_service(operator: Operator) -> None:
    """Each with its lag, what it has in hand, and its last error."""
    services = operator.status["services"]
    assert {one["role"] for one in services} == ROLES
    assert all(
        one.keys() == {"role", "instance", "lag", "in_flight", "done", "failed", "last_error"} for one in services
    )
    assert next(one for one in services if one["role"] == "director")["done"] > 0


def test_a_person_speaks_with_any_client_by_what_status_tells(operator: Operator) -> None:
    """Address, campaign and the path of a key that the stock client takes as `nkeys_seed`."""
    assert [(word.kind, word.text, word.by) for word in operator.heard] == [("steer", "try decay", "Ada")]


def test_dead_letters_are_listed_shown_and_retried(operator: Operator) -> None:
    """Of all who hear such a message; a retry is taken up when the lab runs again, and ends as a letter of its own."""
    letters = lines(operator, "dead", "list")
    mine = {letter["role"]: letter for letter in letters}
    assert set(mine) == {"desk", "director", "memory"}
    assert all(letter["reason"] and letter["deliveries"] == 1 for letter in letters)
    shown = json.loads(move37("dead", "show", str(mine["desk"]["id"]), "--home", str(operator.home), "--json"))
    assert bytes.fromhex(shown["payload_hex"]) == GARBAGE
    assert r"\xff\xfe" in move37("dead", "show", str(mine["desk"]["id"]), "--home", str(operator.home))
    (retried,) = lines(operator, "dead", "retry", str(mine["desk"]["id"]))
    (again,) = lines(operator, "dead", "retry", str(mine["desk"]["id"]))
    assert (retried["new"], again["new"]) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["retry", "77"], "no dead letter 77"),
        (["show", "77"], "no dead letter 77"),
    ],
)
def test_a_letter_that_is_not_there_is_one_line(operator: Operator, arguments: list[str], said: str) -> None:
    """On stderr, exit code 1."""
    stderr = move37("dead", *arguments, "--home", str(operator.home), code=1)
    assert said in stderr
    assert len(stderr.strip().splitlines()) == 1


def test_memory_reads_the_log_as_a_whole(operator: Operator) -> None:
    """A letter of memory's is not retried; the line says what to do instead."""
    (mine,) = [letter for letter in lines(operator, "dead", "list") if letter["role"] == "memory"]
    assert "delete memory.duckdb" in move37("dead", "retry", str(mine["id"]), "--home", str(operator.home), code=1)


def test_the_log_is_verified_to_its_last_position(operator: Operator) -> None:
    """Garbage included: it was published, and it is as it was."""
    found = json.loads(move37("events", "--verify", "--home", str(operator.home), "--json"))
    assert found["intact"]
    assert found["verified"] == found["messages"] > 100


def test_a_flipped_bit_of_an_exported_log_has_a_position(operator: Operator, tmp_path: Path) -> None:
    """The file beside the log tells; the rest of the log is still good."""
    file = tmp_path / "log.jsonl"
    move37("export-log", str(file), "--home", str(operator.home))
    assert json.loads(move37("replay", str(file), "--verify", "--json"))["intact"]
    content = file.read_bytes().splitlines(keepends=True)
    content[40] = content[40].replace(b'"type"', b'"tyqe"')
    file.write_bytes(b"".join(content))
    said = move37("replay", str(file), "--verify", code=None)
    assert "position 41 is not what it was" in said
    assert json.loads(move37("replay", str(file), "--verify", "--json", code=None))["verified"] == 40


def test_a_flipped_bit_on_the_servers_disk_has_a_position(operator: Operator, tmp_path: Path) -> None:
    """The server keeps back a message that fails its own checksum; the chain says which one is missing."""
    home = shutil.copytree(operator.home, tmp_path / "home")
    (block,) = home.glob("nats/store/**/LAB_EVENTS/msgs/*.blk")
    content = bytearray(block.read_bytes())
    content[content.index(b'"RunCompleted"') + 3] ^= 1
    block.write_bytes(content)
    log = tmp_path / "log.jsonl"
    move37("export-log", str(log), "--home", str(operator.home))
    types = [json.loads(line).get("type") for line in log.read_bytes().splitlines()]
    found = json.loads(move37("events", "--verify", "--home", str(home), "--json", code=None))
    assert found["differs"] == types.index("RunCompleted") + 1
    assert found["how"] == "is missing from the log"


def test_a_changed_note_of_a_stopped_lab_has_a_position(operator: Operator) -> None:
    """The home's chain is no more trusted than the log."""
    path = operator.home / "log.chain"
    whole = path.read_text()
    noted = whole.splitlines(keepends=True)
    link = ChainLink.parse(noted[16])
    noted[16] = str(
        ChainLink(link.seq, link.subject, "0" + link.digest[1:] if link.digest[0] != "0" else "1" + link.digest[1:])
    )
    path.write_text("".join(noted))
    try:
        assert "position 17 is not" in move37("events", "--verify", "--home", str(operator.home), code=None)
    finally:
        path.write_text(whole)


def test_a_story_begins_where_it_is_asked_to(operator: Operator, tmp_path: Path) -> None:
    """By the position in the log, though a line before it is no event."""
    file = tmp_path / "log.jsonl"
    move37("export-log", str(file), "--home", str(operator.home))
    lines = file.read_bytes().splitlines(keepends=True)
    (nobodys,) = [line for line in lines if line.startswith(b'{"raw_hex"')]  # wherever the campaign was when it came
    others = [line for line in lines if line != nobodys]
    file.write_bytes(b"".join([*others[:2], nobodys, *others[2:]]))
    told = move37("replay", str(file), "--from", "4", "--to", "6").splitlines()
    assert [int(line.split()[0]) for line in told] == [4, 5, 6]


def test_a_log_with_a_message_that_nobody_reads_is_replayed(operator: Operator, tmp_path: Path) -> None:
    """The line is left out and named, as every role left it out."""
    file = tmp_path / "log.jsonl"
    move37("export-log", str(file), "--home", str(operator.home))
    result = json.loads(move37("replay", str(file), "--rebuild", "--json"))
    assert result["events"] == len(file.read_bytes().splitlines()) - 1


def test_a_killed_command_leaves_no_server_behind(operator: Operator) -> None:
    """A second server on the same store would spoil it."""
    command = [sys.executable, "-m", "lab.cli", "events", "--follow", "--home", str(operator.home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout
    assert process.stdout.readline()
    assert any_server_of(operator.home)
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 10
    while any_server_of(operator.home) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any_server_of(operator.home)


def any_server_of(home: Path) -> bool:
    """Say whether a server has its configuration in a home."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return any(str(home / "nats" / "server.conf").encode() in words for words in found)
