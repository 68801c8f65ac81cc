"""Operating a lab from the command line: its services, its dead letters, and the verification of its log."""

import asyncio
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

from bus.audit.chain import ChainLink, chain_path
from bus.vocabulary.events import HumanMessage
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from tests.support.labs import ROOT, SERVICES, move37, processes_of, publish_as_admin, run_instant

GARBAGE = b"\xff\xfe\ngarbage"


class Operator:
    """Reads the status of a running lab once, and publishes garbage and a message once."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.status: dict[str, Any] = {}
        self.publishing: asyncio.Future[None] | None = None
        self.sending: asyncio.Future[None] | None = None
        self.messages: list[HumanMessage] = []

    def __call__(self, view: CampaignView, envelope: Envelope | None) -> None:
        """Act after the first analysis, and record human messages."""
        if not self.status and view.counts["AnalysisReady"]:
            self.status = json.loads(move37("status", "--home", str(self.home), "--json"))
            garbage = dict.fromkeys(
                (f"lab.human.{view.campaign}", f"lab.events.{view.campaign}.e0001.CampaignPaused"), GARBAGE
            )
            self.publishing = asyncio.ensure_future(publish_as_admin(self.home, garbage))
            self.sending = asyncio.ensure_future(_send_message(self.status))
        if envelope and isinstance(envelope.event, HumanMessage):
            self.messages.append(envelope.event)


async def _send_message(status: dict[str, Any]) -> None:
    """Publish a message with a standard client and the data of `move37 status --json`."""
    client = await nats.connect(status["nats_url"], nkeys_seed=status["human_creds"])
    await client.publish(f"lab.human.{status['campaign']}", b'{"text": "try decay", "by": "Ada"}')
    await client.close()


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """A finished lab that got garbage and a message."""
    operator = Operator(tmp_path_factory.mktemp("operated"))
    assert run_instant(operator.home, operator, experiments=30, slots=2).finished
    assert operator.publishing
    assert operator.sending
    for published in (operator.publishing, operator.sending):
        published.result()  # raises the error, if there was one
    return operator


def lines(operator: Operator, *arguments: str) -> list[dict[str, Any]]:
    """Return the JSON objects that a command prints, one a line."""
    return [json.loads(line) for line in move37(*arguments, "--home", str(operator.home), "--json").splitlines()]


def test_status_shows_every_service(operator: Operator) -> None:
    """Each service has its lag, its numbers of decisions, and its last error."""
    services = operator.status["services"]
    assert {one["role"] for one in services} == set(SERVICES) - {"nats-server"}
    vitals = {"role", "instance", "host", "version", "uptime_s", "lag", "queue_age_s", "in_flight", "done", "failed"}
    assert all(one.keys() >= vitals | {"last_error", "draining", "durations", "disk_free_bytes"} for one in services)
    assert next(one for one in services if one["role"] == "director")["done"] > 0
    assert operator.status["running"] is True
    assert operator.status["absent"] == []
    stopped = json.loads(move37("status", "--home", str(operator.home), "--json"))
    assert (stopped["running"], stopped["absent"], stopped["services"]) == (False, [], [])


def test_status_has_what_any_client_needs_to_send_a_message(operator: Operator) -> None:
    """Status has the address, the campaign and the path of a key for the client's `nkeys_seed`."""
    assert [(message.kind, message.text, message.speaker) for message in operator.messages] == [
        ("steer", "try decay", "owner, signed Ada")
    ]


def test_dead_letters_are_listed_shown_and_retried(operator: Operator) -> None:
    """Each role that got the garbage has a letter; a retry is sent once."""
    letters = lines(operator, "dead", "list")
    by_role = {letter["role"]: letter for letter in letters}
    assert set(by_role) == {"desk", "director", "memory"}
    assert all(letter["reason"] and letter["deliveries"] == 1 for letter in letters)
    shown = json.loads(move37("dead", "show", str(by_role["desk"]["id"]), "--home", str(operator.home), "--json"))
    assert bytes.fromhex(shown["payload_hex"]) == GARBAGE
    assert r"\xff\xfe" in move37("dead", "show", str(by_role["desk"]["id"]), "--home", str(operator.home))
    (retried,) = lines(operator, "dead", "retry", str(by_role["desk"]["id"]))
    (again,) = lines(operator, "dead", "retry", str(by_role["desk"]["id"]))
    assert (retried["new"], again["new"]) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["retry", "77"], "no dead letter 77"),
        (["show", "77"], "no dead letter 77"),
    ],
)
def test_an_unknown_letter_is_refused(operator: Operator, arguments: list[str], text: str) -> None:
    """One line on stderr, exit code 1."""
    stderr = move37("dead", *arguments, "--home", str(operator.home), code=1)
    assert text in stderr
    assert len(stderr.strip().splitlines()) == 1


def test_a_letter_of_memory_cannot_be_retried(operator: Operator) -> None:
    """Memory reads the whole log again instead; the error says how."""
    (letter,) = [letter for letter in lines(operator, "dead", "list") if letter["role"] == "memory"]
    assert "delete memory.duckdb" in move37("dead", "retry", str(letter["id"]), "--home", str(operator.home), code=1)


def test_the_log_is_verified_to_its_last_position(operator: Operator) -> None:
    """The garbage is verified too: it is in the log, and unchanged."""
    result = json.loads(move37("events", "--verify", "--home", str(operator.home), "--json"))
    assert result["intact"]
    assert result["verified"] == result["messages"] > 100


def test_a_flipped_bit_of_an_exported_log_has_a_position(operator: Operator, tmp_path: Path) -> None:
    """The chain file shows it; the positions before it are intact."""
    file = tmp_path / "log.jsonl"
    move37("export-log", str(file), "--home", str(operator.home))
    assert json.loads(move37("replay", str(file), "--verify", "--json"))["intact"]
    content = file.read_bytes().splitlines(keepends=True)
    content[40] = content[40].replace(b'"type"', b'"tyqe"')
    file.write_bytes(b"".join(content))
    assert "position 41 is not what it was" in move37("replay", str(file), "--verify", code=None)
    assert json.loads(move37("replay", str(file), "--verify", "--json", code=None))["verified"] == 40


def test_a_flipped_bit_on_the_servers_disk_has_a_position(operator: Operator, tmp_path: Path) -> None:
    """The server does not deliver a message with a wrong checksum; the chain shows which one is missing."""
    home = shutil.copytree(operator.home, tmp_path / "home")
    (block,) = home.glob("nats/store/**/LAB_EVENTS/msgs/*.blk")
    content = bytearray(block.read_bytes())
    content[content.index(b'"RunCompleted.v2"') + 3] ^= 1
    block.write_bytes(content)
    log = tmp_path / "log.jsonl"
    move37("export-log", str(log), "--home", str(operator.home))
    types = [json.loads(line).get("type") for line in log.read_bytes().splitlines()]
    result = json.loads(move37("events", "--verify", "--home", str(home), "--json", code=None))
    assert result["differs"] == types.index("RunCompleted.v2") + 1
    assert result["how"] == "is missing from the log"


def test_a_changed_hash_of_a_stopped_lab_has_a_position(operator: Operator) -> None:
    """A change of the home's chain is found like a change of the log."""
    path = operator.home / "log.chain"
    original = path.read_text()
    lines = original.splitlines(keepends=True)
    link = ChainLink.parse(lines[16])
    lines[16] = str(
        ChainLink(link.seq, link.subject, "0" + link.digest[1:] if link.digest[0] != "0" else "1" + link.digest[1:])
    )
    path.write_text("".join(lines))
    try:
        assert "position 17 is not" in move37("events", "--verify", "--home", str(operator.home), code=None)
    finally:
        path.write_text(original)


def test_a_replay_starts_at_the_given_position(operator: Operator, tmp_path: Path) -> None:
    """Positions are those of the log, even if an earlier line is no event."""
    file = tmp_path / "log.jsonl"
    move37("export-log", str(file), "--home", str(operator.home))
    lines = file.read_bytes().splitlines(keepends=True)
    (garbage,) = [line for line in lines if line.startswith(b'{"raw_hex"')]  # its position varies
    others = [line for line in lines if line != garbage]
    file.write_bytes(b"".join([*others[:2], garbage, *others[2:]]))
    chain_path(file).unlink()  # it tells that the log was changed
    rows = move37("replay", str(file), "--from", "4", "--to", "6").splitlines()
    assert [int(line.split()[0]) for line in rows] == [4, 5, 6]


def test_a_log_with_garbage_can_be_replayed(operator: Operator, tmp_path: Path) -> None:
    """The garbage is skipped, as every role skipped it."""
    file = tmp_path / "log.jsonl"
    move37("export-log", str(file), "--home", str(operator.home))
    result = json.loads(move37("replay", str(file), "--rebuild", "--json"))
    assert result["events"] == len(file.read_bytes().splitlines()) - 1


def test_a_killed_command_leaves_no_server_behind(operator: Operator) -> None:
    """A second server on the same store would damage it."""
    command = [sys.executable, "-m", "lab.cli", "events", "--follow", "--home", str(operator.home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout
    assert process.stdout.readline()
    assert has_server(operator.home)
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 10
    while has_server(operator.home) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not has_server(operator.home)


def has_server(home: Path) -> bool:
    """Return True if a server runs with the configuration in a home."""
    config = str(home / "nats" / "server.conf").encode()
    return any(config in arguments for arguments in processes_of(home).values())
