"""The log of a meta-campaign as a file: one CloudEvent a line, as every exported log, with its chain next to it.

One process writes it. A line that a kill cut off is dropped when the file is opened again, and the chain, which may
lack the last lines, is continued. A log that differs from its chain is refused. What a model said stands in a file of
traces next to it.
"""

import fcntl
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bus.audit import chain, log_file
from bus.audit.chain import ChainLink
from bus.delivery import traces
from bus.delivery.role import Post
from bus.delivery.traces import RecordedAnswer, Traces
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage, decode, encode
from bus.wire.ids import campaign_root_id, derive
from bus.wire.redaction import mask_payload
from bus.wire.stored_message import StoredMessage
from lab.errors import LabError
from lab.exported_log import reason_of


class MetaLog:
    """A log that is open for writing."""

    def __init__(self, path: Path) -> None:
        """Open or create a log. Raises LabError if it is in use, damaged, or can't be written."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("ab+")
        except OSError as error:
            raise LabError(f"can't write {path} ({error.strerror}); hint: choose another file with --log") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LabError(f"{path} is in use by another process; hint: wait for it, or choose another --log") from None
        for file in (path, traces.traces_path(path)):
            _drop_torn_line(file)
        self.envelopes, messages = read_meta_log(path)
        links_file = chain.chain_path(path)
        links = list(chain.read_chain(links_file)) if links_file.exists() else []
        chain.write_chain(links_file, links, messages)
        self._links: IO[str] = links_file.open("a", encoding="ascii")
        last = [*chain.read_chain(links_file)][-1:]
        self._digest = last[0].digest if last else chain.ROOT

    def append(self, campaign: str, role: str, post: Post) -> Envelope:
        """Write an event that follows from the last one, to the disk, and return its envelope."""
        cause = self.envelopes[-1].id if self.envelopes else None
        key = derive(cause, role, post.experiment) if cause else campaign_root_id(campaign)
        source, now, seq = f"/lab/{role}/{os.getpid()}", datetime.now(UTC), len(self.envelopes) + 1
        envelope = Envelope(key, source, now, campaign, post.experiment, post.event, cause, seq)
        payload = encode(envelope)
        self._file.write(payload + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        link = ChainLink.of(self._digest, StoredMessage(seq, subjects.event_subject(envelope), payload))
        self._links.write(str(link))
        self._links.flush()
        self._digest = link.digest
        written = decode(payload, seq)
        self.envelopes.append(written)
        return written

    def append_trace(self, role: str, cause: str, answers: Iterable[RecordedAnswer]) -> None:
        """Write what the decision about the event `cause` read, to the disk, before anything that follows from it."""
        with traces.traces_path(self.path).open("ab") as file:
            file.write(mask_payload(traces.encode(role, cause, answers)) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._links.close()

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the files."""
        self.close()


def _drop_torn_line(path: Path) -> None:
    """Remove a last line without an end from a file, if there is one."""
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def read_meta_traces(path: Path) -> Traces:
    """Return what models said in the campaign of a log; nothing without a file. Raises LabError for a damaged one."""
    file = traces.traces_path(path)
    try:
        with file.open("rb") as lines:
            return traces.read_traces(lines)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LabError(f"can't read the traces {file} ({error}); hint: restore them with the log") from None


def read_meta_log(path: Path) -> tuple[list[Envelope], list[StoredMessage]]:
    """Return the events of a log, and its messages. Raises LabError if it can't be read or differs from its chain."""
    try:
        envelopes = list(log_file.read_log(path))
        payloads = list(log_file.read_payloads(path))
    except log_file.UNREADABLE as error:
        raise LabError(f"can't read {path} ({reason_of(error)})") from None
    except MalformedMessage as error:
        raise LabError(f"{error}; hint: restore the log, or choose another file with --log") from None
    pairs = zip(payloads, envelopes, strict=True)
    messages = [StoredMessage(seq, subjects.event_subject(one), payload) for (seq, payload), one in pairs]
    links = chain.chain_path(path)
    if links.exists():
        result = chain.verify_chain(chain.read_chain(links), messages)
        if result.first_difference is not None:
            raise LabError(f"{path} is damaged: position {result.first_difference} {result.detail}")
    return envelopes, messages
