"""Verifies a log: compares a lab's log with the hashes in its home, or an exported log with its chain file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bus.audit import chain, log_file
from bus.audit.chain import ChainCheck, ChainLink
from bus.wire.stored_message import StoredMessage
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.settings import Settings


async def verify_lab(settings: Settings) -> dict[str, Any]:
    """Compare the lab's log with the hashes in its home; return the result as JSON. Raises LabError."""
    path = Home(settings.home).chain
    links = read_links(path)
    async with open_lab(settings) as reader:
        messages = await reader.bus.whole_log()
    return _as_json(chain.verify_chain(links, messages), len(messages))


def verify_export(file: Path) -> dict[str, Any]:
    """Compare an exported log with its chain file; return the result as JSON. Raises LabError."""
    links = read_links(chain.chain_path(file))
    messages = read_messages(file, links)
    return _as_json(chain.verify_chain(links, messages), len(messages))


def require_intact(links: Sequence[ChainLink], messages: Sequence[StoredMessage], log: object) -> None:
    """Raise LabError with the first position at which a log differs from its recorded hashes."""
    result = chain.verify_chain(links, messages)
    if result.first_difference is not None:
        raise LabError(f"{log} is damaged: position {result.first_difference} {result.detail}")


def require_intact_export(file: Path) -> None:
    """Raise LabError if an exported log differs from its chain file; a log without one can't be checked."""
    path = chain.chain_path(file)
    if path.exists():
        links = read_links(path)
        require_intact(links, read_messages(file, links), file)


def require_intact_lab(settings: Settings, messages: Sequence[StoredMessage]) -> None:
    """Raise LabError if a log, as a lab's server has it, differs from the hashes in its home, if there are any."""
    path = Home(settings.home).chain
    if path.exists() and not settings.nats:
        links = [link for link in read_links(path) if link.seq <= len(messages)]  # it may have grown since
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
    except OSError as error:
        raise LabError(f"can't read {file} ({error.strerror})") from None
    newer = (ChainLink(number, "", "") for number in range(len(links) + 1, len(payloads) + 1))
    return [
        StoredMessage(link.seq or number, link.subject, payload)
        for number, (link, payload) in enumerate(zip((*links, *newer), payloads, strict=False), 1)
    ]


def _as_json(result: ChainCheck, length: int) -> dict[str, Any]:
    return {
        "intact": result.first_difference is None,
        "messages": length,
        "verified": result.matched,
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
    return f"{result['verified']} messages match their hashes, up to {result['digest']}{rest}"
