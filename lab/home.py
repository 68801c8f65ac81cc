"""The folder that holds everything a lab writes, and the lock that keeps a second lab out of it."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.security import access, keys
from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class Home:
    """Paths inside a home; nothing is created until `prepare`."""

    root: Path

    @property
    def nats(self) -> Path:
        """Store and configuration of the embedded server."""
        return self.root / "nats"

    @property
    def keys(self) -> Path:
        """Seeds of the roles' keys."""
        return self.root / "keys"

    @property
    def database(self) -> Path:
        """Memory's file."""
        return self.root / "memory.duckdb"

    @property
    def chain(self) -> Path:
        """Hashes of the log's positions, noted as they came."""
        return self.root / "log.chain"

    @property
    def artifacts(self) -> Path:
        """Trained weights."""
        return self.root / "artifacts"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.root / "logs"

    @property
    def report(self) -> Path:
        """The report's page."""
        return self.root / "report.html"

    @property
    def _campaign(self) -> Path:
        return self.root / "campaign.json"

    @property
    def _running(self) -> Path:
        return self.root / "running.json"

    def prepare(self) -> None:
        """Create the folders. Raises LabError where that is not possible."""
        try:
            for folder in (self.root, self.artifacts, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.root / ".writable"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            raise LabError(f"can't write to {self.root}: {error.strerror}; choose another --home") from None

    def require_existing(self) -> "Home":
        """Return this home. Raises LabError where no lab has run in it."""
        if not self._campaign.exists():
            raise LabError(f"no lab has run in {self.root}; start one with `move37 run --home {self.root}`")
        return self

    def campaign(self) -> dict[str, Any] | None:
        """Return what was noted of the campaign this home holds (`id`, `seed`, `scale`), or None."""
        return _read(self._campaign)

    def authorization(self) -> str:
        """Return the embedded server's access rules, after making the keys that are missing."""
        return access.authorization(keys.ensure_keys(self.keys, access.ROLES))

    def note_campaign(self, note: dict[str, Any]) -> None:
        """Note which campaign this home holds."""
        _write(self._campaign, note)

    def running(self) -> dict[str, Any] | None:
        """Return the running lab's `nats_url`, `pid`, `campaign` and whether its server is `embedded`, or None."""
        note = _read(self._running)
        return note if note and _alive(int(note["pid"])) else None

    @contextmanager
    def locked(self, wait: float = 0.0) -> Iterator[None]:
        """Hold the home for this process. Raises LabError where another lab has it after `wait` seconds."""
        deadline = time.monotonic() + wait
        with (self.root / "lock").open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() >= deadline:
                        raise LabError(
                            f"a lab is already running in {self.root}; stop it (Ctrl-C) or choose another --home"
                        ) from None
                    time.sleep(0.1)
            yield

    @contextmanager
    def announced(self, nats_url: str, campaign: str, *, embedded: bool) -> Iterator[None]:
        """Let other commands find the running lab."""
        note = {"nats_url": nats_url, "campaign": campaign, "pid": os.getpid(), "embedded": embedded}
        _write(self._running, note)
        try:
            yield
        finally:
            self._running.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    """Return a note, or None where it is missing or torn."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write(path: Path, note: dict[str, Any]) -> None:
    """Write a note so that a reader sees the old or the new one, never half."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(note))
    temporary.replace(path)


def _alive(pid: int) -> bool:
    """Say whether a process lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
