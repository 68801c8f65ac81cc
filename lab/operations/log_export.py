"""Reads the log of a lab: lists and exports its events."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bus.audit import chain, log_file
from bus.audit.chain import ChainLink
from bus.delivery.traces import traces_path
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.stored_message import StoredMessage
from lab.client.event_text import event_line
from lab.client.lab_client import LabClient
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.operations import verify
from lab.operations.event_filter import EventFilter
from lab.settings import Settings
from lab.terminal.prose import fitted, terminal_width


async def list_events(settings: Settings, event_filter: EventFilter, *, follow: bool, as_json: bool) -> None:
    """Print the log's events that match a filter; with `follow`, keep printing new events.

    Raises LabError, at the end, if the log differs from its recorded hashes.
    """
    async with open_lab(settings) as reader:
        messages: list[StoredMessage] = []
        async for batch in reader.bus.follow() if follow else reader.messages():
            lines = (_line(stored, event_filter, terminal_width(), as_json=as_json) for stored in batch)
            sys.stdout.writelines(f"{line}\n" for line in lines if line is not None)
            sys.stdout.flush()
            if not follow:
                messages += batch
    verify.require_intact_lab(settings, messages)


def _line(stored: StoredMessage, event_filter: EventFilter, width: int | None, *, as_json: bool) -> str | None:
    """Return an event's line, its own bytes as JSON or its position with a sentence; None if it does not match."""
    try:
        envelope = subjects.decode_event(stored)
    except MalformedMessage as error:
        text, matches = f"malformed on {stored.subject}: {error}", event_filter.is_open
    else:
        text, matches = event_line(envelope), event_filter.matches(envelope)
    if not matches:
        return None
    return stored.payload.decode("utf-8", "backslashreplace") if as_json else fitted(f"{stored.seq:>6}  ", text, width)


async def read_stream(reader: LabClient, stream: str = subjects.LOG) -> Sequence[StoredMessage]:
    """Return every message of a stream, oldest first."""
    return [stored async for batch in reader.messages(stream) for stored in batch]


async def export_log(settings: Settings, file: Path) -> int:
    """Write the log to a file, with its chain and its traces in files of the same name; return how many events.

    Raises LabError. It does so too, after the files are written, if the log differs from its recorded hashes.
    """
    messages = await write_export(settings, file)
    verify.require_intact_lab(settings, messages)
    return len(messages)


async def write_export(settings: Settings, file: Path) -> Sequence[StoredMessage]:
    """Write these files, whether or not the log is intact, and return the messages. Raises LabError."""
    if file.exists() and not file.is_file():
        raise LabError(f"{file} is no regular file, and the export would replace it; hint: choose another name")
    chain_file = Home(settings.home).chain
    async with open_lab(settings) as reader:
        messages = await read_stream(reader)
        traces = await read_stream(reader, subjects.TRACES)
    try:
        links = list(chain.read_chain(chain_file)) if chain_file.exists() and not settings.nats else []
        write_files(file, links, messages, traces)
    except OSError as error:
        raise LabError(f"can't write {file} ({error.strerror})") from None
    return messages


def write_files(
    file: Path, links: Sequence[ChainLink], messages: Sequence[StoredMessage], traces: Sequence[StoredMessage]
) -> int:
    """Write messages, their chain and their traces to files of one name; return how many messages. Raises OSError.

    `links` are those that are recorded; the chain continues them up to the last message.
    """
    end = messages[-1].seq if messages else 0
    chain.write_chain(chain.chain_path(file), [link for link in links if link.seq <= end], messages)
    log_file.write_log(traces_path(file), [replace(trace, seq=line) for line, trace in enumerate(traces, 1)])
    return log_file.write_log(file, messages)


def write_page(path: Path, page: str) -> Path:
    """Write a page, making its folder, and return its path. Raises LabError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise LabError(f"can't write {path} ({error.strerror}); hint: choose another file with --out") from None
    return path


async def read_events(settings: Settings) -> Sequence[Envelope]:
    """Return every event of the log. Raises LabError if it differs from its recorded hashes."""
    async with open_lab(settings) as reader:
        messages = await read_stream(reader)
    verify.require_intact_lab(settings, messages)
    return subjects.decode_events(messages)
