"""A conversation with a running lab (`move37 chat`): prints events one a line, and sends what is typed.

Plain text is read as the desk reads it: a command, a question that ends with "?", or else guidance; `/veto e0003` and
similar commands name their kind. Every message is answered. On a terminal the chat ends at Ctrl-D. With piped input it
ends once every message has its answer.
"""

import asyncio
import re
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, get_args

from bus.security import access
from bus.vocabulary.events import OWNER, HumanAnswered, HumanKind
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from lab.cancel_and_wait import cancel_and_wait
from lab.client import human_input
from lab.client.event_text import notable_line
from lab.client.lab_client import LabClient
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.settings import Settings

COMMANDS = (
    "/steer TEXT, /withdraw [WORDS], /ask TEXT, /veto ID [WHY], /restore ID [WHY], /pause, /resume, /stop, /budget N, "
    "/quit"
)
HELP = f"plain text steers, a line ending with ? asks; commands: {COMMANDS}"
QUIT = "/quit"
MAX_EARLIER_MESSAGES = 50
"""Messages of the log before the start of the chat that are searched for lines to print."""
_TARGET_AND_TEXT = re.compile(r"(\S+)\s*(.*)", re.DOTALL)
_COMMAND_KINDS = frozenset(get_args(HumanKind)) - {"propose"}


def parse_line(line: str) -> dict[str, Any]:
    """Return the message of a typed line, with its kind, text and target. Raises LabError."""
    if not line.startswith("/"):
        return {"text": line}
    kind, _, text = line[1:].partition(" ")
    text = text.strip()
    if kind not in _COMMAND_KINDS:
        raise LabError(f"no command /{kind}; hint: {COMMANDS}")
    if kind == "budget" and not (text.isascii() and text.isdigit()):
        raise LabError("usage: /budget N, a whole number of experiments, such as /budget 40")
    if kind in {"veto", "restore"}:
        if not (parts := _TARGET_AND_TEXT.fullmatch(text)):
            raise LabError(f"usage: /{kind} ID [WHY], such as /{kind} e0003")
        return {"kind": kind, "target": parts.group(1), "text": parts.group(2)}
    if kind in {"steer", "ask"} and not text:
        raise LabError(f"usage: /{kind} TEXT")
    return {"kind": kind, "text": text}


@dataclass
class Conversation:
    """The messages that we sent and that have no answer yet."""

    by: str
    """Who we are to the lab, by our key."""
    signature: str = ""
    """The name under our messages."""
    unanswered: int = 0
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while every message has an answer."""

    def send(self) -> None:
        """Expect an answer."""
        self.unanswered += 1
        self.settled.clear()

    def apply(self, envelope: Envelope) -> None:
        """Count an answer to us."""
        if isinstance(envelope.event, HumanAnswered) and envelope.event.to == self.by and self.unanswered:
            self.unanswered -= 1
            if not self.unanswered:
                self.settled.set()


def chat_text(envelope: Envelope) -> str | None:
    """Return the text of an event, None if it is not worth a line; an answer keeps its line breaks."""
    if isinstance(envelope.event, HumanAnswered):
        answer = "\n".join(f"  {text}" for text in envelope.event.answer.splitlines())
        return f"{envelope.time:%H:%M:%S} {envelope.experiment:<22} answer to {envelope.event.to}:\n{answer}"
    return notable_line(envelope)


async def chat(settings: Settings, by: str, lines: Iterable[str] = sys.stdin) -> bool:
    """Talk until the input or the lab ends; return True if every message was answered. Raises LabError."""
    home = Home(settings.home)
    if not settings.nats and not home.running():
        raise LabError(f"no lab is running in {home.root}; hint: move37 say leaves a message for its next run")
    async with open_lab(settings) as reader, open_lab(settings, access.HUMAN) as speaker:
        campaign = reader.campaign or await human_input.find_campaign(settings)
        if sys.stdin.isatty():
            print(HELP, file=sys.stderr, flush=True)
        conversation = Conversation(speaker.person or OWNER, by)
        conversation.settled.set()
        tasks = [
            asyncio.create_task(_send_lines(speaker, campaign, conversation, lines, settings.patience)),
            asyncio.create_task(_print_events(reader, campaign, conversation)),
        ]
        if not settings.nats:
            tasks.append(asyncio.create_task(_wait_until_stopped(home)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await asyncio.gather(*map(cancel_and_wait, tasks))
    return conversation.settled.is_set()


async def _send_lines(
    speaker: LabClient, campaign: str, conversation: Conversation, lines: Iterable[str], patience: float
) -> None:
    """Publish what is typed, then wait `patience` seconds for messages to be in the log and questions answered."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    reading = threading.Thread(
        target=_read_lines, args=(lines, lambda text: loop.call_soon_threadsafe(queue.put_nowait, text)), daemon=True
    )  # a thread of the pool would keep the process until Enter
    reading.start()
    while (text := await queue.get()) is not None:
        if text == QUIT:
            conversation.settled.set()  # /quit does not wait for answers
            return
        if text:
            await _send_line(speaker, campaign, conversation, text)
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await conversation.settled.wait()


async def _send_line(speaker: LabClient, campaign: str, conversation: Conversation, text: str) -> None:
    """Publish a line, or print what is wrong with it."""
    try:
        message = parse_line(text)
        human_input.kind_of(message)  # what the desk would refuse is not sent
    except LabError as error:
        print(error, file=sys.stderr, flush=True)
        return
    conversation.send()
    await human_input.send_message(speaker, campaign, {**message, "by": conversation.signature})


def _read_lines(lines: Iterable[str], put: Callable[[str | None], object]) -> None:
    """Pass on lines as they are typed, and None at the end of the input."""
    with suppress(RuntimeError):  # the event loop has closed
        for text in lines:
            put(text.strip())
        put(None)


async def _print_events(reader: LabClient, campaign: str, conversation: Conversation) -> None:
    """Print the campaign's events, from a few before the start of the chat."""
    start = await reader.last_position()
    async for batch in reader.bus.follow(after=max(0, start - MAX_EARLIER_MESSAGES)):
        for stored in batch:
            with suppress(MalformedMessage):
                envelope = subjects.decode_event(stored)
                if envelope.campaign != campaign:
                    continue
                if text := chat_text(envelope):
                    print(text, flush=True)
                if stored.seq > start:
                    conversation.apply(envelope)


async def _wait_until_stopped(home: Home) -> None:
    """Return when the lab has stopped."""
    while home.running():
        await asyncio.sleep(0.5)
    print("the lab has stopped; hint: move37 run resumes the campaign", file=sys.stderr, flush=True)
