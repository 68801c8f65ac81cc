"""A conversation with a running lab (`move37 chat`): what people and the lab say, a line each, and what is typed.

Plain words steer; with a question mark at their end they ask; `/veto e0003` and its like name another kind. On a
terminal it goes on until Ctrl-D; with piped input it ends when every word has been heard and every question answered.
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
from bus.vocabulary.events import HumanAnswered, HumanKind, HumanMessage
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from lab.cancel_and_wait import cancel_and_wait
from lab.client import human_input
from lab.client.event_text import event_line
from lab.client.session import LabClient, open_lab
from lab.errors import LabError
from lab.home import Home
from lab.settings import Settings

HELP = (
    "plain words steer, a question asks; /steer /ask /veto ID [WHY] /restore ID [WHY] /pause /resume /stop /budget N; "
    "/quit leaves"
)
QUIT = "/quit"
ANSWERED_KINDS = frozenset({"ask", "restore"})
"""Kinds of words that the lab replies to."""
MAX_EARLIER_MESSAGES = 50
"""Messages of the log before ours that are looked through for something to tell."""
PATIENCE_S = 60.0
"""Seconds to wait, at the end of the input, for words to be heard and questions to be answered."""
_NAMING = re.compile(r"(\S+)\s*(.*)", re.DOTALL)
_TYPED = frozenset(get_args(HumanKind)) - {"propose"}


def parse_line(typed: str) -> dict[str, Any]:
    """Return what a line says, as the desk reads it. Raises LabError."""
    if not typed.startswith("/"):
        return {"kind": "ask" if typed.endswith("?") else "steer", "text": typed}
    kind, _, text = typed[1:].partition(" ")
    text = text.strip()
    if kind not in _TYPED:
        raise LabError(f"no such word: /{kind}; {HELP}")
    if kind == "budget" and not (text.isascii() and text.isdigit()):
        raise LabError("a budget is a whole number of experiments, such as /budget 40")
    if kind in {"veto", "restore"}:
        if not (named := _NAMING.fullmatch(text)):
            raise LabError(f"a {kind} names an experiment, such as /{kind} e0003")
        return {"kind": kind, "target": named.group(1), "text": named.group(2)}
    if kind in {"steer", "ask"} and not text:
        raise LabError(f"/{kind} of what?")
    return {"kind": kind, "text": text}


@dataclass
class Conversation:
    """What we said and wait to see in the log."""

    by: str
    unheard: list[str] = field(default_factory=list)
    """Kinds of our words that have not become facts yet."""
    unanswered: int = 0
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while nothing is waited for."""

    def say(self, kind: str) -> None:
        """Wait for words of a kind to be heard, and for the answer where there will be one."""
        self.unheard.append(kind)
        self.unanswered += kind in ANSWERED_KINDS
        self.settled.clear()

    def hear(self, envelope: Envelope) -> None:
        """Cross off what an event of the log settles."""
        match envelope.event:
            case HumanMessage(by=self.by, kind=kind) if kind in self.unheard:
                self.unheard.remove(kind)
            case HumanAnswered(to=self.by) if self.unanswered:
                self.unanswered -= 1
            case _:
                return
        if not self.unheard and not self.unanswered:
            self.settled.set()


def shown(envelope: Envelope) -> str | None:
    """Return how an event is told, or None where it is not worth a line; an answer keeps its lines."""
    if isinstance(envelope.event, HumanAnswered):
        answer = "\n".join(f"  {text}" for text in envelope.event.answer.splitlines())
        return f"{envelope.time:%H:%M:%S} {envelope.experiment:<22} to {envelope.event.to}:\n{answer}"
    return event_line(envelope)


async def chat(settings: Settings, by: str, typed: Iterable[str] = sys.stdin) -> bool:
    """Talk until the input or the lab ends; say whether all we said was heard and answered. Raises LabError."""
    home = Home(settings.home)
    if not settings.nats and not home.running():
        raise LabError(f"no lab is running in {home.root}; leave it a word with `move37 say`")
    async with open_lab(settings) as reader, open_lab(settings, access.HUMAN) as speaker:
        campaign = reader.campaign or await human_input.newest(settings)
        if sys.stdin.isatty():
            print(HELP, file=sys.stderr, flush=True)
        conversation = Conversation(by)
        conversation.settled.set()
        tasks = [
            asyncio.create_task(_talk(speaker, campaign, conversation, typed)),
            asyncio.create_task(_follow(reader, campaign, conversation)),
        ]
        if not settings.nats:
            tasks.append(asyncio.create_task(_gone(home)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await asyncio.gather(*map(cancel_and_wait, tasks))
    return conversation.settled.is_set()


async def _talk(speaker: LabClient, campaign: str, conversation: Conversation, typed: Iterable[str]) -> None:
    """Publish what is typed, then wait for what we said to be settled."""
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    reading = threading.Thread(
        target=_read, args=(typed, lambda text: loop.call_soon_threadsafe(heard.put_nowait, text)), daemon=True
    )  # a thread of the pool would keep the process until Enter
    reading.start()
    while (text := await heard.get()) is not None:
        if text == QUIT:
            conversation.settled.set()  # who leaves waits for nothing
            return
        if text:
            await _say(speaker, campaign, conversation, text)
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await conversation.settled.wait()


async def _say(speaker: LabClient, campaign: str, conversation: Conversation, text: str) -> None:
    """Publish a line, or tell what is wrong with it."""
    try:
        words = parse_line(text)
    except LabError as error:
        print(error, file=sys.stderr, flush=True)
        return
    conversation.say(words["kind"])
    await human_input.say(speaker, campaign, {**words, "by": conversation.by})


def _read(typed: Iterable[str], hand_on: Callable[[str | None], object]) -> None:
    """Hand lines on as they are typed, and None at their end."""
    with suppress(RuntimeError):  # the conversation is over
        for text in typed:
            hand_on(text.strip())
        hand_on(None)


async def _follow(reader: LabClient, campaign: str, conversation: Conversation) -> None:
    """Tell what the log says, from a little before we came."""
    came = await reader.bus.transport.last_seq(subjects.LOG)
    async for batch in reader.bus.follow(after=max(0, came - MAX_EARLIER_MESSAGES)):
        for stored in batch:
            with suppress(MalformedMessage):
                said = subjects.decode_event(stored)
                if said.campaign != campaign:
                    continue
                if text := shown(said):
                    print(text, flush=True)
                if stored.seq > came:
                    conversation.hear(said)


async def _gone(home: Home) -> None:
    """Return when the lab has stopped."""
    while home.running():
        await asyncio.sleep(0.5)
    print("the lab has stopped; `move37 run` goes on with it", file=sys.stderr, flush=True)
