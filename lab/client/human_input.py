"""Publishes a person's messages: a running lab reads them at once, a stopped lab from its inbox when it runs again."""

import json
import time
from typing import Any

from agents.roles.desk import read_message
from bus.security import access
from bus.vocabulary.events import HumanKind, HumanMessage
from bus.wire import subjects
from bus.wire.envelope import MalformedMessage
from lab.client.lab_client import LabClient
from lab.client.session import open_lab
from lab.errors import LabError
from lab.settings import Settings


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


async def send_message(client: LabClient, campaign: str, message: dict[str, Any]) -> str:
    """Publish a message on the subject of a campaign and of the key's person; return the subject."""
    subject = subjects.human_inbox(campaign, client.person)
    unique_id = f"say-{time.time_ns()}"  # the stream drops a message whose id it has already seen
    await client.bus.transport.publish(subject, json.dumps(message).encode(), unique_id)
    return subject


async def find_campaign(settings: Settings) -> str:
    """Return the campaign that the settings name, or the server's newest. Raises LabError if the server holds none."""
    async with open_lab(settings) as reader:
        campaign = (await reader.status()).campaign
    if not campaign:
        raise LabError("the server holds no campaign; hint: start one with move37 run")
    return campaign
