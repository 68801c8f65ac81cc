"""The status of a lab: the campaign's progress, the services, and the needed roles that have none."""

from dataclasses import asdict, replace
from typing import Any

from agents.analysis.evidence.arm_rates import compare_arms
from bus.delivery.transport import NoAnswer
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.vocabulary.events import CampaignStarted
from bus.vocabulary.queries import CampaignStatus, ResultsByArm
from bus.wire import subjects
from lab.client import connection
from lab.client.discovery import climb_rows
from lab.client.lab_client import LabClient
from lab.client.session import open_lab
from lab.client.staff import RollCall
from lab.home import Home
from lab.settings import Settings

SHORT_PATIENCE_S = 2.0
"""How long a memory that is absent from the roll call is asked all the same: it may be busy."""


async def status(settings: Settings) -> dict[str, Any]:
    """Return the campaign's progress and the services' vitals; the keys that other programs rely on come first.

    Without memory the progress is not known, and its keys are missing. `absent` lists the needed roles that no service
    serves, unless the lab is stopped or its campaign has ended.
    """
    home = Home(settings.home)
    async with open_lab(settings) as reader:
        served = bool(settings.nats or home.running())
        roll = await reader.roll_call()
        campaign = await _campaign(reader, roll, served=served)
        identity = {
            "nats_url": reader.nats_url if served else None,
            "campaign": campaign.campaign if campaign else await _newest_campaign(reader),
            "human_creds": _human_key(settings, home),
            "last_seq": campaign.last_seq if campaign else await reader.length(subjects.LOG),
        }
        dead = await reader.length(subjects.DEAD)
        tests = await _tests(reader, campaign)
    needed = served and not (campaign and campaign.finished)
    return identity | {
        "running": served and roll.working,
        "dead_letters": dead,
        "services": list(roll.services),
        "absent": [role.as_json() for role in roll.absent] if needed else [],
        **(_progress(campaign) if campaign else {}),
        **tests,
    }


async def status_at(settings: Settings, position: int) -> dict[str, Any]:
    """Return the campaign's progress as it was after a position of the log. Raises LabError."""
    async with open_lab(settings) as reader:
        past = await reader.as_of(position)
        campaign = await past.status()
        tests = await _tests(past, campaign)
    return {"campaign": campaign.campaign, "last_seq": position} | _progress(campaign) | tests


async def _campaign(reader: LabClient, roll: RollCall, *, served: bool) -> CampaignStatus | None:
    """Return memory's answer; None if no memory answers, or there is no log yet."""
    if not await reader.length(subjects.LOG):
        return None
    absent = served and any(role.role == "memory" for role in roll.absent)
    patient = replace(reader, patience=SHORT_PATIENCE_S) if absent else reader
    try:
        return await patient.status()
    except NoAnswer:
        if absent:
            return None
        raise


async def _tests(reader: LabClient, campaign: CampaignStatus | None) -> dict[str, Any]:
    """Return where each candidate stands on the ladder, and the results by arm, if the campaign has them."""
    if campaign is None:
        return {}
    state, arms = await reader.claims(campaign), await reader.arms(campaign)
    climbing = {"verification": climb_rows(state)} if state else {}
    return climbing | (_arms(arms) if arms else {})


def _arms(arms: ResultsByArm) -> dict[str, Any]:
    """Return the results by arm, and which arm found more."""
    compared = [asdict(one) | {"standing": one.standing} for one in compare_arms(arms)]
    return {"arms": [row.model_dump(mode="json") for row in arms.rows], "arm_comparisons": compared}


async def _newest_campaign(reader: LabClient) -> str:
    """Return the newest campaign of the log; empty without one."""
    transport = reader.bus.transport
    if not isinstance(transport, NatsTransport) or not await reader.length(subjects.LOG):
        return ""
    stored = await transport.newest(subjects.LOG, subjects.event_filter(CampaignStarted))
    return subjects.decode_event(stored).campaign if stored else ""


def _progress(campaign: CampaignStatus) -> dict[str, Any]:
    return campaign.model_dump(mode="json", exclude={"campaign", "last_seq", "started", "ranking"})


def _human_key(settings: Settings, home: Home) -> str | None:
    """Return the path of the key with which people publish from any NATS client, or None if this lab has none."""
    own = keys.seed_path(home.keys, access.HUMAN)
    seed = connection.role_seed_path(settings.nkey_file, access.HUMAN) if settings.nats else own
    return str(seed.resolve()) if seed and seed.exists() else None
