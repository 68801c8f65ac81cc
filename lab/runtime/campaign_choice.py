"""Which campaign a run is about: the home's, one that `--campaign` names, or a new one.

A campaign belongs to the home that started it. Another home finds it on a shared server and is refused, unless a person
gives its whole id: then that home joins it.
"""

import json
import time
from typing import Any

from bus.delivery.bus import Bus
from bus.delivery.role import Post
from bus.vocabulary.events import CampaignArchived, CampaignForked, CampaignStarted, UnitCoined
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, campaign_id
from lab.client.in_force import in_force
from lab.errors import LabError
from lab.home import Home
from lab.runtime import models
from lab.runtime.campaign_start import campaign_started, recorded_arms
from lab.runtime.verification import is_plan_of
from lab.settings import Settings

IDENTITY_SETTINGS = ("seed", "scale", "policy")
"""Settings that identify a campaign: they can't change once it has started."""
RECORDED_SETTINGS = (*IDENTITY_SETTINGS, "experiments")
"""Settings that the home records of its campaign."""


def resolve_settings(settings: Settings, home: Home) -> Settings:
    """Return the settings for this home; the campaign that it holds overrides defaults.

    Raises LabError if a person gave a seed, a scale or a policy that is not the campaign's.
    """
    recorded = recorded_campaign(settings, home)
    if not recorded:
        return settings
    hint = "choose another --home" if settings.campaign else "give --campaign NAME for one more, or another --home"
    return _adopt(settings, recorded, f"{home.root} holds a campaign", hint)


async def start_campaign(bus: Bus, settings: Settings, home: Home) -> tuple[str, int | None]:
    """Start the campaign that the settings mean, or join or resume it, and record it in the home.

    If the budget has changed, it is requested with a message, as a person would. Returns the campaign's id and, for a
    changed budget, the newest position before it. Raises LabError if the campaign is another home's.
    """
    recorded = recorded_campaign(settings, home)
    if not recorded:
        settings, recorded = await _first_record(bus, settings)
    campaign, planned = str(recorded["id"]), recorded["experiments"]
    await require_present(bus, campaign)
    await _require_same_plan(bus, campaign, settings)
    await _require_limits(bus, campaign, settings)
    await _require_arms(bus, campaign, settings)
    # The record comes first: if this process dies in between, the campaign is still this home's.
    earlier = [str(one["id"]) for one in home.campaigns() if one["id"] != campaign]
    home.record_campaign(record_of(campaign, settings) | {"experiments": planned})
    if await _find_start(bus, campaign) is None:
        coined = [unit for one in earlier for unit in await _coined_by(bus, one)]
        await bus.publish(Post(CAMPAIGN, campaign_started(settings, coined)), campaign)
    if planned == settings.experiments:
        return campaign, None
    position = await _request_budget(bus, campaign, settings.experiments)
    home.record_campaign(record_of(campaign, settings))  # after the stream has it: another run would not ask again
    return campaign, position


async def _request_budget(bus: Bus, campaign: str, experiments: int) -> int:
    """Publish a changed budget as a person's message; return the newest position of the log before it."""
    position = await bus.transport.last_seq(subjects.LOG)
    message = json.dumps({"kind": "budget", "text": str(experiments), "by": "command line"})
    await bus.transport.publish(subjects.human_inbox(campaign), message.encode(), f"{campaign}-budget-{time.time_ns()}")
    return position


def record_of(campaign: str, settings: Settings) -> dict[str, Any]:
    """Return what the home records of a campaign with these settings."""
    return {"id": campaign, **{name: getattr(settings, name) for name in RECORDED_SETTINGS}}


def recorded_campaign(settings: Settings, home: Home) -> dict[str, Any] | None:
    """Return the home's record of the campaign that the settings mean; after an archived one, another may begin."""
    recorded = home.campaign(settings.campaign)
    return None if recorded and "archived" in recorded else recorded


async def require_present(bus: Bus, campaign: str) -> None:
    """Raise LabError if the campaign was archived: the stream would drop its repeated events for days."""
    subject = subjects.event_subject_of(campaign, CAMPAIGN, CampaignArchived)
    if await bus.transport.read(subjects.LOG, subject=subject, max_batch=1):
        raise LabError(f"{campaign} was archived; hint: give another --campaign NAME or --seed")


async def _require_same_plan(bus: Bus, campaign: str, settings: Settings) -> None:
    """Raise LabError if a person gives another verification plan than the campaign has fixed at its start."""
    start = await _find_start(bus, campaign) if "verification" in settings.model_fields_set else None
    if start is None:
        return
    assert isinstance(start.event, CampaignStarted)
    as_planned = settings.model_copy(update={"experiments": start.event.experiments, "scale": start.event.scale})
    if not is_plan_of(as_planned, start.event.verification):
        raise LabError(
            f"{campaign} fixed its verification plan when it started; hint: give --campaign NAME for one more"
        )


async def _require_limits(bus: Bus, campaign: str, settings: Settings) -> None:
    """Raise LabError if a person gave limits of models that are not those with which the campaign began."""
    wanted, started = models.recorded_limits(settings.llm), await _in_force(bus, campaign)
    if wanted is None or started is None:
        return
    if started.model_limits != wanted:
        begun = started.model_limits or "none"
        raise LabError(
            f"{campaign} began with other limits of its models ({begun}); hint: leave --max-cost, --max-tokens and "
            "--max-requests out, or give --campaign NAME for one more"
        )


async def _require_arms(bus: Bus, campaign: str, settings: Settings) -> None:
    """Raise LabError if a person gave shares of arms that are not those with which the campaign began."""
    start = await _find_start(bus, campaign) if "arms" in settings.model_fields_set else None
    if start is None:
        return
    assert isinstance(start.event, CampaignStarted)
    if start.event.arms != recorded_arms(settings):
        raise LabError(f"{campaign} began with other arms; hint: leave --arms out, or give --campaign NAME")


async def _coined_by(bus: Bus, campaign: str) -> list[str]:
    """Return the units that a campaign has coined."""
    subject = subjects.event_subject_of(campaign, "*", UnitCoined)
    messages = await bus.transport.read(subjects.LOG, subject=subject)
    events = [subjects.decode_event(message).event for message in messages]
    return [event.unit for event in events if isinstance(event, UnitCoined)]


async def _first_record(bus: Bus, settings: Settings) -> tuple[Settings, dict[str, Any]]:
    """Return settings and record of a campaign that this home has not recorded yet. Raises LabError."""
    if settings.campaign and (start := await _find_start(bus, settings.campaign)):
        record = {"id": start.campaign, **{name: getattr(start.event, name) for name in RECORDED_SETTINGS}}
        return _adopt(settings, record, f"{start.campaign} is a campaign", "give another --campaign NAME"), record
    campaign = campaign_id(settings.seed, settings.scale, settings.campaign)
    if start := await _find_start(bus, campaign):
        assert isinstance(start.event, CampaignStarted)
        raise LabError(
            f"campaign {campaign} on this server is that of {start.event.owner or 'another lab'}, started "
            f"{start.time:%Y-%m-%d %H:%M} UTC; hint: --campaign NAME starts your own, --campaign {campaign} joins it"
        )
    return settings, {"id": campaign, "experiments": settings.experiments}


async def _find_start(bus: Bus, campaign: str) -> Envelope | None:
    """Return the start of a campaign in the log, None if it has not started."""
    subject = subjects.event_subject_of(campaign, CAMPAIGN, CampaignStarted)
    messages = await bus.transport.read(subjects.LOG, subject=subject, max_batch=1)
    return subjects.decode_event(messages[0]) if messages else None


async def _in_force(bus: Bus, campaign: str) -> CampaignStarted | None:
    """Return the start of a campaign in the log with what forks have changed, None if it has not started."""
    start = await _find_start(bus, campaign)
    if start is None:
        return None
    subject = subjects.event_subject_of(campaign, CAMPAIGN, CampaignForked)
    forks = await bus.transport.read(subjects.LOG, subject=subject)
    return in_force([start, *map(subjects.decode_event, forks)])


def _adopt(settings: Settings, record: dict[str, Any], place: str, hint: str) -> Settings:
    """Return the settings with those of a recorded campaign, except for what a person gave.

    Raises LabError if a person gave what identifies a campaign, and gave something else.
    """
    given = settings.model_fields_set
    for name in IDENTITY_SETTINGS:
        known = record.get(name, getattr(settings, name))  # an older home recorded fewer settings
        if name in given and getattr(settings, name) != known:
            raise LabError(f"{place} with {name} {known}, not {getattr(settings, name)}; hint: {hint}")
    fixed = {name: record[name] for name in RECORDED_SETTINGS if name in record and name not in given}
    return settings.model_copy(update=fixed)
