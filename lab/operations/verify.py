"""Verifies a log: compares a lab's log with the hashes in its home, or an exported log with its chain file."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bus.audit import chain, log_file
from bus.audit.chain import ChainCheck, ChainLink
from bus.vocabulary.events import CampaignArchived
from bus.wire import subjects
from bus.wire.stored_message import StoredMessage
from lab.client.session import open_lab
from lab.errors import LabError
from lab.exported_log import reason_of
from lab.home import Home
from lab.settings import Settings


async def verify_lab(settings: Settings) -> dict[str, Any]:
    """Compare the lab's log with the hashes in its home; return the result as JSON. Raises LabError."""
    path = Home(settings.home).chain
    links = read_links(path)
    async with open_lab(settings) as reader:
        messages = await reader.bus.whole_log()
    return _as_json(chain.verify_chain(links, messages, archived_campaigns(messages)), len(messages))


def verify_export(file: Path) -> dict[str, Any]:
    """Compare an exported log with its chain file; return the result as JSON. Raises LabError."""
    links = read_links(chain.chain_path(file))
    messages = read_messages(file, links)
    result = chain.verify_chain(links, messages, archived_campaigns(messages), whole=True)
    return _as_json(result, len(messages))


def archived_campaigns(messages: Iterable[StoredMessage]) -> frozenset[str]:
    """Return the campaigns that were taken out of a log: it keeps the event that says so."""
    kind = f".{CampaignArchived.__name__}"
    events = subjects.decode_events(stored for stored in messages if stored.subject.endswith(kind))
    return frozenset(envelope.campaign for envelope in events)


def require_intact(
    links: Sequence[ChainLink], messages: Sequence[StoredMessage], log: object, *, whole: bool = False
) -> None:
    """Raise LabError with the first position at which a log differs from its recorded hashes (`verify_chain`)."""
    result = chain.verify_chain(links, messages, archived_campaigns(messages), whole=whole)
    if result.first_difference is not None:
        raise LabError(f"{log} is damaged: position {result.first_difference} {result.detail}")


def require_intact_export(file: Path) -> None:
    """Raise LabError if an exported log differs from its chain file; a log without one can't be checked."""
    path = chain.chain_path(file)
    if path.exists():
        links = read_links(path)
        require_intact(links, read_messages(file, links), file, whole=True)


def require_intact_lab(settings: Settings, messages: Sequence[StoredMessage]) -> None:
    """Raise LabError if a log, as a lab's server has it, differs from the hashes in its home, if there are any."""
    path = Home(settings.home).chain
    if path.exists() and not settings.nats:
        end = messages[-1].seq if messages else 0
        links = [link for link in read_links(path) if link.seq <= end]  # it may have grown since
        require_intact(links, messages, f"the log of {settings.home}")


def read_links(path: Path) -> list[ChainLink]:
    """Return the links of a chain file. Raises LabError if it can't be read."""
    try:
        return list(chain.read_chain(path))
    except OSError as error:
        raise LabError(
            f"can't verify the log without its hashes in {path} ({error.strerror}); "
            "hint: move37 export-log writes them with the log"
        ) from None


def read_messages(file: Path, links: Sequence[ChainLink]) -> list[StoredMessage]:
    """Return the messages of an exported log, each with its link's subject: the lines have none. Raises LabError."""
    try:
        payloads = list(log_file.read_payloads(file))
    except log_file.UNREADABLE as error:
        raise LabError(f"can't read {file} ({reason_of(error)})") from None
    subject_of = {link.seq: link.subject for link in links}
    return [StoredMessage(seq, subject_of.get(seq, ""), payload) for seq, payload in payloads]


def _as_json(result: ChainCheck, length: int) -> dict[str, Any]:
    return {
        "intact": result.first_difference is None,
        "messages": length,
        "verified": result.matched,
        "archived": result.archived,
        "digest": result.digest,
        "differs": result.first_difference,
        "how": result.detail,
    }


def print_check(result: dict[str, Any], *, as_json: bool) -> int:
    """Print the result of a verification and return the exit code."""
    print(json.dumps(result, indent=1) if as_json else _sentence(result))
    return 0 if result["intact"] else 1


def _sentence(result: dict[str, Any]) -> str:
    if not result["intact"]:
        return f"position {result['differs']} {result['how']}; the {result['verified']} messages before it are intact"
    newer = result["messages"] - result["verified"]
    rest = f"; {newer} newer messages have no recorded hash yet" if newer else ""
    rest += f"; {result['archived']} messages of archived campaigns are recorded" if result["archived"] else ""
    return f"{result['verified']} messages match their hashes, up to {result['digest']}{rest}"
