"""Publishes a person's messages: a running lab reads them at once, a stopped lab from its inbox when it runs again.

A running lab replies to every message: the desk says what it understood, or the analyst answers.
"""

import asyncio
import json
import time
from contextlib import AsyncExitStack, suppress
from typing import Any, NamedTuple

from agents.people.replies import is_refusal
from agents.roles.desk import message_id, read_message
from bus.delivery.giving_up import GIVE_UP_ORDINAL
from bus.delivery.transport import TransportError
from bus.security import access
from bus.vocabulary.events import HumanAnswered, HumanKind, HumanMessage
from bus.wire import subjects
from bus.wire.envelope import MalformedMessage
from bus.wire.ids import derive
from lab.client import waiting
from lab.client.lab_client import LabClient
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.settings import Settings

REPLY_PATIENCE_S = 10.0
"""Seconds to wait for a reply to a message, unless a person says how long."""
MAX_POSTS = 3
"""Events that the desk publishes about one message at most: the message, a proposal and the reply."""


class Sent(NamedTuple):
    """A published message."""

    subject: str
    answer: str | None
    """The lab's reply; None if none came in time, or nobody waited."""


def kind_of(message: dict[str, Any]) -> HumanKind:
    """Return the kind that the desk will read from a message. Raises LabError if the desk would refuse it."""
    # campaign and message id only name the experiment of a proposal, which is not published here
    posts = read_message(json.dumps(message).encode(), campaign="", message_id="")
    if isinstance(posts, MalformedMessage):
        raise LabError(str(posts))
    event = posts[0].event
    assert isinstance(event, HumanMessage)
    return event.kind


async def publish_message(settings: Settings, message: dict[str, Any]) -> str:
    """Publish a message, with the keys that `agents.roles.desk` reads, to the lab that the settings name.

    Its campaign is the home's, or the server's newest if the home holds none. Returns the subject. Raises LabError.
    """
    async with open_lab(settings, access.HUMAN) as client:
        return await send_message(client, client.campaign or await find_campaign(settings), message)


async def say(settings: Settings, message: dict[str, Any], *, wait: bool = True) -> Sent:
    """Publish a message to the lab that the settings name and wait for the reply of a running one, if `wait` is set.

    It waits for `--patience` seconds if a person gave that, else for `REPLY_PATIENCE_S`. Without a key that reads the
    log there is no waiting. Raises LabError, also if the lab does not take the message.
    """
    is_running = settings.nats or Home(settings.home).running()
    if not (wait and is_running):
        return Sent(await publish_message(settings, message), None)
    async with AsyncExitStack() as stack:
        speaker = await stack.enter_async_context(open_lab(settings, access.HUMAN))
        reader, start = None, 0
        with suppress(LabError, TransportError):
            reader = await stack.enter_async_context(open_lab(settings))
            start = await reader.last_position()
        campaign = speaker.campaign or await find_campaign(settings)
        subject, position = await _send(speaker, campaign, message)
        answered = None
        if reader and start and position:
            patience = settings.patience if "patience" in settings.model_fields_set else REPLY_PATIENCE_S
            with waiting.announced("the lab's reply", patience):
                answered = await _reply(reader, start, message_id(campaign, position), patience)
    if answered and is_refusal(answered):
        raise LabError(answered.answer)
    return Sent(subject, answered.answer if answered else None)


async def _reply(reader: LabClient, start: int, heard: str, patience: float) -> HumanAnswered | None:
    """Return the reply to a message: the desk's own, or the one to the desk's event; None if none comes in time."""
    ours = {derive(heard, "desk", ordinal) for ordinal in (*range(MAX_POSTS), GIVE_UP_ORDINAL)}
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            async for batch in reader.bus.follow(after=start):
                for stored in batch:
                    with suppress(MalformedMessage):
                        envelope = subjects.decode_event(stored)
                        if isinstance(envelope.event, HumanAnswered) and ours & {envelope.id, envelope.cause}:
                            return envelope.event
    return None


async def send_message(client: LabClient, campaign: str, message: dict[str, Any]) -> str:
    """Publish a message on the subject of a campaign and of the key's person; return the subject."""
    return (await _send(client, campaign, message))[0]


async def _send(client: LabClient, campaign: str, message: dict[str, Any]) -> tuple[str, int | None]:
    """Publish a message; return its subject and its position in the inbox."""
    subject = subjects.human_inbox(campaign, client.person)
    unique_id = f"say-{time.time_ns()}"  # the stream drops a message whose id it has already seen
    receipt = await client.bus.transport.publish(subject, json.dumps(message).encode(), unique_id)
    return subject, receipt.position


async def find_campaign(settings: Settings) -> str:
    """Return the campaign that the settings name, or the server's newest. Raises LabError if the server holds none."""
    async with open_lab(settings) as reader:
        campaign = (await reader.status()).campaign
    if not campaign:
        raise LabError("the server holds no campaign; hint: start one with move37 run")
    return campaign
