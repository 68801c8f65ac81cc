"""Reading the log and what memory makes of it: listing, exporting, standing, report."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bus.audit import chain, log_file
from bus.delivery.replay import traces_path
from bus.security import access, keys
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.stored import Stored
from dashboard.report import render_report
from lab.client import connection
from lab.client.event_text import event_sentence
from lab.client.session import LabClient, open_lab
from lab.errors import LabError
from lab.home import Home
from lab.settings import Settings


async def list_events(settings: Settings, *, follow: bool, as_json: bool) -> None:
    """Print the log's events; with `follow`, for ever."""
    async with open_lab(settings) as reader:
        end = await reader.bus.transport.last_seq(subjects.LOG)
        if not follow and not end:
            return
        async for batch in reader.bus.follow():
            sys.stdout.writelines(_print_form(stored, as_json=as_json) for stored in batch)
            sys.stdout.flush()
            if not follow and batch[-1].seq >= end:
                return


def _print_form(stored: Stored, *, as_json: bool) -> str:
    """Return an event's line: its own bytes, or a sentence with its position."""
    if as_json:
        return stored.payload.decode("utf-8", "backslashreplace") + "\n"
    try:
        said = subjects.decode_event(stored)
    except MalformedMessage as error:
        return f"{stored.seq:>6}  malformed on {stored.subject}: {error}\n"
    return f"{stored.seq:>6}  {event_sentence(said)}\n"


async def read_stream(reader: LabClient, stream: str = subjects.LOG) -> Sequence[Stored]:
    """Return every message of a stream, oldest first."""
    end = await reader.bus.transport.last_seq(stream)
    messages: list[Stored] = []
    if end:
        async for batch in reader.bus.transport.follow(stream, 0):
            messages.extend(batch)
            if batch[-1].seq >= end:
                break
    return messages


async def export_log(settings: Settings, file: Path) -> int:
    """Write the log to a file, and beside it its chain and the traces that a replay needs; return how many events.

    Raises LabError.
    """
    witnessed = Home(settings.home).chain
    async with open_lab(settings) as reader:
        messages = await read_stream(reader)
        traces = await read_stream(reader, subjects.TRACES)
    try:
        noted = list(chain.read_chain(witnessed)) if witnessed.exists() and not settings.nats else []
        chain.write_chain(chain.chain_path(file), noted[: len(messages)], messages)
        log_file.write_log(traces_path(file), traces)
        return log_file.write_log(file, messages)
    except OSError as error:
        raise LabError(f"can't write {file}: {error.strerror}") from None


async def status(settings: Settings) -> dict[str, Any]:
    """Return where the campaign stands, with the keys of the contract first."""
    home = Home(settings.home)
    running = home.running()
    async with open_lab(settings) as reader:
        standing = await reader.status()
        last = await reader.bus.transport.last_seq(subjects.LOG)
        dead = await reader.bus.transport.last_seq(subjects.DEAD)
        services = await reader.services()
    return {
        "nats_url": reader.nats_url if running or settings.nats else None,
        "campaign": standing.campaign,
        "human_creds": _human_key(settings, home),
        "last_seq": last,
        "running": bool(running),
        "dead_letters": dead,
        "services": services,
    } | standing.model_dump(mode="json", exclude={"campaign", "last_seq", "started", "ranking"})


def _human_key(settings: Settings, home: Home) -> str | None:
    """Return the path of the key by which people speak with any client, or None where this lab has none."""
    own = keys.seed_path(home.keys, access.HUMAN)
    seed = connection.role_seed_path(settings.nkey_file, access.HUMAN) if settings.nats else own
    return str(seed.resolve()) if seed and seed.exists() else None


async def report(settings: Settings, path: Path) -> Path:
    """Write the report page and return its path. Raises LabError."""
    async with open_lab(settings) as reader:
        standing, experiments = await reader.status_and_experiments()
        said = await _read_events(reader)
    mine = [envelope for envelope in said if envelope.campaign == standing.campaign]
    page = render_report(
        standing,
        experiments,
        started=mine[0].time if mine else None,
        ended=mine[-1].time if mine else None,
        events=Counter(envelope.type for envelope in mine),
        sandbox=standing.started.sandbox if standing.started else settings.sandbox,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise LabError(f"can't write {path}: {error.strerror}") from None
    return path


async def events(settings: Settings) -> Sequence[Envelope]:
    """Return every event of the log."""
    async with open_lab(settings) as reader:
        return await _read_events(reader)


async def _read_events(reader: LabClient) -> Sequence[Envelope]:
    """Return the events that the log holds."""
    return [subjects.decode_event(stored) for stored in await read_stream(reader) if _readable(stored)]


def _readable(stored: Stored) -> bool:
    """Say whether a message decodes; what does not is among the dead letters."""
    try:
        subjects.decode_event(stored)
    except MalformedMessage:
        return False
    return True
