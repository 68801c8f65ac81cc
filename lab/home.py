"""The folder that holds everything a lab writes, and the lock that keeps a second lab out."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bus.security import access, keys
from bus.wire.ids import has_name
from lab.errors import LabError
from lab.roster import key_names, role_specs


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
        """Hashes of the log's positions, recorded as the messages arrive."""
        return self.root / "log.chain"

    @property
    def artifacts(self) -> Path:
        """Trained weights."""
        return self.root / "artifacts"

    @property
    def logs(self) -> Path:
        """Log files, one for each process."""
        return self.root / "logs"

    @property
    def researchers(self) -> Path:
        """Logs of meta-campaigns, which evolve researcher programs."""
        return self.root / "researchers"

    @property
    def report(self) -> Path:
        """The report's page."""
        return self.root / "report.html"

    @property
    def _campaign(self) -> Path:
        return self.root / "campaign.json"

    @property
    def _earlier_campaigns(self) -> Path:
        """Records of the campaigns that ran here before the newest one."""
        return self.root / "campaigns"

    @property
    def _running(self) -> Path:
        return self.root / "running.json"

    def prepare(self) -> None:
        """Create the folders. Raises LabError if they can't be written, or the database can't have such a name."""
        if "\\" in str(self.root.resolve()):
            raise LabError(f"{self.root}: a backslash means a slash to the database; hint: choose another --home")
        try:
            for folder in (self.root, self.artifacts, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.root / ".writable"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            raise LabError(f"can't write to {self.root} ({error.strerror}); hint: choose another --home") from None

    def require_empty(self) -> None:
        """Raise LabError if there is anything in this home."""
        if self.root.exists() and any(self.root.iterdir()):
            raise LabError(f"{self.root} is not empty; hint: choose another --home")

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Create and lock this empty home to fill it; if that fails, it is empty again. Raises LabError."""
        self.prepare()
        try:
            with self.locked():
                yield
        except BaseException:
            for path in self.root.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise

    def require_existing(self) -> "Home":
        """Return this home. Raises LabError if no lab has run in it."""
        if not self._campaign.exists():
            raise LabError(f"no lab has run in {self.root}; hint: start one with move37 run --home {self.root}")
        return self

    def campaign(self, name: str = "") -> dict[str, Any] | None:
        """Return a campaign of this home (`id`, `seed`, `scale`, `experiments`), None if it holds no such one.

        `name` is its id or the name that it was given; without one, it is the campaign that ran last.
        """
        return next((record for record in self.campaigns() if not name or has_name(str(record["id"]), name)), None)

    def campaigns(self) -> list[dict[str, Any]]:
        """Return all campaigns of this home, the one that ran last first."""
        paths = (self._campaign, *sorted(self._earlier_campaigns.glob("*.json")))
        return [record for record in map(_read_json, paths) if record]

    def authorization(self) -> str:
        """Return the embedded server's access rules; creates missing keys."""
        return access.authorization(keys.ensure_keys(self.keys, self.key_names()), role_specs())

    def key_names(self) -> tuple[str, ...]:
        """Return the names of all keys: those of roles and clients, and people's."""
        return (*key_names(), *keys.people(self.keys))

    def record_campaign(self, campaign: dict[str, Any]) -> None:
        """Record which campaign runs in this home; the one before it stays known."""
        before = self.campaign()
        if before and before["id"] != campaign["id"]:
            self._earlier_campaigns.mkdir(exist_ok=True)
            _write_json(self._earlier_campaigns / f"{before['id']}.json", before)
        _write_json(self._campaign, campaign)
        (self._earlier_campaigns / f"{campaign['id']}.json").unlink(missing_ok=True)

    def running(self) -> dict[str, Any] | None:
        """Return the running lab's `nats_url`, `pid`, `campaign` and whether its server is `embedded`, or None.

        The lab holds a lock on the note. A killed lab leaves a note without a lock; its pid may be another process's.
        """
        try:
            with self._running.open() as note:
                return json.load(note) if is_locked(note) else None
        except (OSError, ValueError):
            return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the home for this process. Raises LabError if another lab, or a command that reads it, holds it."""
        with (self.root / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LabError(
                    f"a lab is already running in {self.root}; hint: stop it (Ctrl-C) or choose another --home"
                ) from None
            yield

    @contextmanager
    def announced(self, nats_url: str, campaign: str, *, embedded: bool) -> Iterator[None]:
        """Record the running lab, so that other commands find it, until the context ends."""
        lab = {"nats_url": nats_url, "campaign": campaign, "pid": os.getpid(), "embedded": embedded}
        _write_json(self._running, lab)
        with self._running.open("r+") as note:
            fcntl.flock(note, fcntl.LOCK_EX)
            try:
                yield
            finally:
                self._running.unlink(missing_ok=True)


def _read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file, None if it is missing or incomplete."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write_json(path: Path, values: dict[str, Any]) -> None:
    """Replace a JSON file in one step, so that no reader sees half of it."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(values))
    temporary.replace(path)


def is_locked(file: IO[str]) -> bool:
    """Return True if another process holds the lock of a file."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
