"""Commands wait for a server and for memory, and say what they wait for; the last line says what did not come."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryDelivery, MemoryTransport
from bus.delivery.query_replies import AnswerPending
from bus.delivery.transport import Durable, NoAnswer, TransportError
from bus.nats import server
from bus.security import access
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from lab.client import human_input, waiting
from lab.client.lab_client import LabClient
from lab.client.session import open_lab
from lab.home import Home
from lab.operations import fork, log_export
from lab.roster import role_spec
from lab.settings import LoadedSettings


class SilentTransport(MemoryTransport):
    """Answers nothing the first times: about positions, and to pulls."""

    def __init__(self, silences: int) -> None:
        """Be silent so often."""
        super().__init__()
        self.silences = silences

    async def last_seq(self, stream: str) -> int:
        """Return the position, once it answers."""
        if self._is_silent():
            raise NoAnswer(f"can't read the position of stream {stream}")
        return await super().last_seq(stream)

    async def pull(self, durable: Durable, timeout: float) -> MemoryDelivery | None:
        """Return a delivery, once it answers."""
        return None if self._is_silent() else await super().pull(durable, timeout)

    def _is_silent(self) -> bool:
        self.silences -= 1
        return self.silences >= 0


async def _status_from(memory: Bus, answers: Sequence[CampaignStatus | AnswerPending], patience: float) -> int:
    """Ask a memory that gives these answers, the last one for ever, and return the position that it says."""
    left = list(answers)

    async def answer(_: AskCampaignStatus) -> CampaignStatus:
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, AnswerPending):
            raise one
        return one

    await memory.serve_query(AskCampaignStatus, answer)
    return (await LabClient(memory, "c", "", patience, announce=True).status()).last_seq


async def test_an_answer_that_comes_later_is_waited_for() -> None:
    """Neither a server that is silent for a while nor "not embedded yet" is an error."""
    pending = AnswerPending("motivations are not embedded yet")
    answers = [pending, pending, CampaignStatus(last_seq=7)]
    assert await _status_from(Bus(SilentTransport(3), "reader"), answers, patience=20.0) == 7


async def test_the_last_line_says_what_did_not_come_and_how_to_wait_longer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it, a line on stderr says what is waited for."""
    monkeypatch.setattr(waiting, "NOTICE_DELAY_S", 0.05)
    bus = Bus(MemoryTransport(), "reader")
    with pytest.raises(NoAnswer, match=r"memory's answer .* within 0.3 s \(motivations .*\); hint: .*--patience"):
        await _status_from(bus, [AnswerPending("motivations are not embedded yet")], patience=0.3)
    assert re.search(r"waiting for memory's answer \(.* of 0.3 s; --patience\)", capsys.readouterr().err)


async def test_a_stream_whose_messages_do_not_come_is_an_error() -> None:
    """A reader that lost its server does not wait for ever."""

    class StreamWithoutMessages(MemoryTransport):
        async def last_seq(self, stream: str) -> int:
            return 5

    with pytest.raises(NoAnswer, match=r"after position 0 did not come within 0\.2 s"):
        [batch async for batch in LabClient(Bus(StreamWithoutMessages(), "reader"), "c", "", 0.2).messages()]


async def test_a_fork_acknowledges_what_a_busy_server_delivers_late() -> None:
    """An event that its role had decided would be decided again."""
    spec, transport = role_spec("analyst"), SilentTransport(0)
    await transport.publish("lab.events.c.e0001.RunCompleted", b"{}", "1")
    messages = await log_export.read_stream(LabClient(Bus(transport, "reader"), "c", ""))
    transport.silences = 2
    decided = {fork._message_id(messages[0])}
    acknowledge = fork._acknowledge
    assert await acknowledge(transport, spec, decided, messages, patience=5.0) == 0
    assert spec.durable
    assert await MemoryTransport.pull(transport, spec.durable, 0.05) is None


async def test_a_reader_waits_for_a_home_that_another_command_uses(tmp_path: Path) -> None:
    """It reads once the other command has ended."""
    home, settings = Home(tmp_path), LoadedSettings.load({"home": tmp_path, "patience": 30.0}).settings
    home.prepare()
    home.record_campaign({"id": "c", "seed": 0, "scale": "nano", "experiments": 1})
    lock = home.locked()
    lock.__enter__()
    asyncio.get_running_loop().call_later(0.5, lock.__exit__, None, None, None)
    async with open_lab(settings) as client:
        assert await client.last_position() == 0


async def test_a_server_that_starts_late_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says on stderr which server it waits for."""
    monkeypatch.setattr(waiting, "NOTICE_DELAY_S", 0.05)
    port = server.free_port()
    options = {"home": tmp_path, "nats": f"nats://127.0.0.1:{port}", "patience": 30.0}

    async def read() -> None:
        async with open_lab(LoadedSettings.load(options).settings):
            return

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.5)
    process = await asyncio.to_thread(server.start_server, tmp_path / "nats", port)
    try:
        await reading
    finally:
        process.kill()
        process.wait()
    assert f"waiting for the NATS server at nats://127.0.0.1:{port} (" in capsys.readouterr().err


@pytest.mark.timeout(20)
async def test_a_message_that_no_stream_takes_is_given_up_after_the_patience(tmp_path: Path) -> None:
    """`move37 say` publishes: it does not wait for longer than a person allows, nor does a command that reads."""
    async with server.run_server(tmp_path / "nats") as url:
        options = {"home": tmp_path, "nats": url, "patience": 0.5, "campaign": "nano-0-aa"}
        settings = LoadedSettings.load(options).settings
        async with open_lab(settings, access.HUMAN) as client:
            with pytest.raises(TransportError, match=r"did not acknowledge within 0\.5 s"):
                await human_input.send_message(client, "nano-0-aa", {"text": "hello"})
            with pytest.raises(NoAnswer, match=r"did not answer within 0\.5 s"):
                await client.bus.whole_log()
