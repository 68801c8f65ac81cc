"""Is the log still what it was? A lab's log against the hashes noted in its home, a file against those beside it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bus.audit import chain, log_file
from bus.audit.chain import ChainCheck, ChainLink
from bus.wire import subjects
from bus.wire.stored import Stored
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.operations.log_export import read_stream
from lab.settings import Settings


async def verify_lab(settings: Settings) -> dict[str, Any]:
    """Return what the log of the settings' lab is, compared with what was noted in its home. Raises LabError."""
    path = Home(settings.home).chain
    noted = links(path)
    async with open_lab(settings) as reader:
        messages = await read_stream(reader, subjects.LOG)
    return _told(chain.verify_chain(noted, messages), len(messages))


def verify_export(file: Path) -> dict[str, Any]:
    """Return what an exported log is, compared with the chain beside it. Raises LabError."""
    noted = links(chain.chain_path(file))
    found = messages(file, noted)
    return _told(chain.verify_chain(noted, found), len(found))


def links(path: Path) -> list[ChainLink]:
    """Return the links of a file. Raises LabError where it is missing."""
    try:
        return list(chain.read_chain(path))
    except OSError as error:
        raise LabError(f"nothing to verify against: can't read {path}: {error.strerror}") from None


def messages(file: Path, noted: Sequence[ChainLink]) -> list[Stored]:
    """Return a file's messages; a line has no subject, so each has the one that its link names. Raises LabError."""
    try:
        payloads = list(log_file.read_payloads(file))
    except OSError as error:
        raise LabError(f"can't read {file}: {error.strerror}") from None
    newer = (ChainLink(number, "", "") for number in range(len(noted) + 1, len(payloads) + 1))
    return [Stored(link.seq, link.subject, payload) for link, payload in zip((*noted, *newer), payloads, strict=False)]


def _told(verdict: ChainCheck, length: int) -> dict[str, Any]:
    """Return a verdict for a person or a program."""
    return {
        "intact": verdict.first_difference is None,
        "messages": length,
        "verified": verdict.matched,
        "digest": verdict.digest,
        "differs": verdict.first_difference,
        "how": verdict.how,
    }


def print_check(found: dict[str, Any], *, as_json: bool) -> int:
    """Print a verdict and return the exit code."""
    print(json.dumps(found, indent=1) if as_json else _sentence(found))
    return 0 if found["intact"] else 1


def _sentence(found: dict[str, Any]) -> str:
    """Return a verdict in one line."""
    if not found["intact"]:
        return f"position {found['differs']} {found['how']}; the {found['verified']} before it are intact"
    newer = found["messages"] - found["verified"]
    rest = f"; {newer} newer ones are not noted yet" if newer else ""
    return f"{found['verified']} messages are as they were noted, up to {found['digest']}{rest}"
