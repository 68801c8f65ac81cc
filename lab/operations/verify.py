"""Verifies a log: compares a lab's log with the hashes in its home, or an exported log with its chain file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bus.audit import chain, log_file
from bus.audit.chain import ChainCheck, ChainLink
from bus.wire import subjects
from bus.wire.stored_message import StoredMessage
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.operations.log_export import read_stream
from lab.settings import Settings


async def verify_lab(settings: Settings) -> dict[str, Any]:
    """Compare the lab's log with the hashes in its home; return the result as JSON. Raises LabError."""
    path = Home(settings.home).chain
    links = read_links(path)
    async with open_lab(settings) as reader:
        messages = await read_stream(reader, subjects.LOG)
    return _as_json(chain.verify_chain(links, messages), len(messages))


def verify_export(file: Path) -> dict[str, Any]:
    """Compare an exported log with its chain file; return the result as JSON. Raises LabError."""
    links = read_links(chain.chain_path(file))
    messages = read_messages(file, links)
    return _as_json(chain.verify_chain(links, messages), len(messages))


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
        StoredMessage(link.seq, link.subject, payload)
        for link, payload in zip((*links, *newer), payloads, strict=False)
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
