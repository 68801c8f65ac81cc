"""A log to fork, with all that is recorded next to it: read from an exported file or from a home, and verified."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bus.audit import chain, log_file
from bus.audit.chain import ChainLink
from bus.delivery.traces import traces_path
from bus.wire.stored_message import StoredMessage
from lab.errors import LabError
from lab.home import Home
from lab.operations import log_export, replay, verify
from lab.settings import Settings


@dataclass(frozen=True, slots=True)
class RecordedLog:
    """A log with its chain, its traces and its weights."""

    messages: Sequence[StoredMessage]
    links: Sequence[ChainLink]
    traces: Sequence[bytes]
    artifacts: Path | None
    """Folder of the trained weights; None for an exported file."""


async def read_recorded(settings: Settings, log: Path) -> RecordedLog:
    """Return the log of an exported file or a home. Raises LabError."""
    if not log.exists():
        raise LabError(f"no log or home {log}; hint: move37 export-log writes a log to a file")
    if not log.is_dir():
        return _read_exported(log, None)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.jsonl"
        await log_export.write_export(settings.model_copy(update={"home": log, "nats": None}), file)
        return _read_exported(file, Home(log).artifacts)


def _read_exported(file: Path, artifacts: Path | None) -> RecordedLog:
    """Return the log that `move37 export-log` wrote. Raises LabError."""
    links = verify.read_links(chain.chain_path(file))
    replay.traces_of(file)  # raises LabError if the traces are missing or damaged
    traces = tuple(trace for _, trace in log_file.read_payloads(traces_path(file)))
    return RecordedLog(verify.read_messages(file, links), links, traces, artifacts)


def require_intact_past(recorded: RecordedLog, at: int, log: Path) -> None:
    """Raise LabError if the log has no such position, lacks an archived campaign, or is damaged at or before it."""
    if recorded.messages and recorded.messages[-1].seq != len(recorded.messages):
        raise LabError(f"a campaign of {log} was archived; refusing to fork; hint: move37 backup copies a whole lab")
    if not 1 <= at <= len(recorded.messages):
        raise LabError(f"{log} has no position {at}; hint: its last position is {len(recorded.messages)}")
    result = chain.verify_chain(recorded.links[:at], recorded.messages[:at], whole=True)
    if result.first_difference is not None:
        raise LabError(
            f"{log} is damaged at position {result.first_difference}; refusing to fork; hint: "
            + (f"move37 events --home {log} --verify" if log.is_dir() else f"move37 replay {log} --verify")
        )
