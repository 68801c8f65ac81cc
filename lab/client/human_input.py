"""A person's words onto the bus: to a running lab at once, to a stopped one into its inbox."""

import json
import time
from typing import Any

from agents.roles.desk import read_message
from bus.security import access
from bus.vocabulary.events import HumanKind, HumanMessage
from bus.wire import subjects
from bus.wire.envelope import MalformedMessage
from lab.client.session import LabClient, open_lab
from lab.errors import LabError
from lab.settings import Settings


def kind_of(words: dict[str, Any]) -> HumanKind:
    """Return what the desk will take words for. Raises LabError where it can make nothing of them."""
    read = read_message(json.dumps(words).encode(), "", "")
    if isinstance(read, MalformedMessage):
        raise LabError(str(read))
    message = read[0].event
    assert isinstance(message, HumanMessage)
    return message.kind


async def publish_message(settings: Settings, words: dict[str, Any]) -> str:
    """Publish words on the campaign's subject and return that subject. Raises LabError."""
    async with open_lab(settings, access.HUMAN) as speaker:
        return await say(speaker, speaker.campaign or await newest(settings), words)


async def say(speaker: LabClient, campaign: str, words: dict[str, Any]) -> str:
    """Publish words on a campaign's subject and return that subject."""
    subject = subjects.human_inbox(campaign)
    await speaker.bus.transport.publish(subject, json.dumps(words).encode(), f"say-{time.time_ns()}")
    return subject


async def newest(settings: Settings) -> str:
    """Return the newest campaign of a server that the home knows nothing of. Raises LabError."""
    async with open_lab(settings) as reader:
        campaign = (await reader.status()).campaign
    if not campaign:
        raise LabError("no campaign has started there yet; `move37 run` starts one")
    return campaign
