"""The identity that a connection shows to the server, and the subjects that the server denies it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from re import compile as pattern
from typing import Any

from bus.security.access import ADMIN, inbox

_VIOLATION = pattern(r"(?i)permissions violation for (\w+) to \"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Identity:
    """A role's key, a credentials file, or neither."""

    role: str = ""
    seed: Path | None = None
    """File with the role's nkey seed."""
    creds: Path | None = None
    """File with a user JWT and its seed, such as `NATS_CREDS` names."""
    ca: Path | None = None
    """Certificate authority of the server; None for the authorities that the system trusts."""

    @property
    def may_provision(self) -> bool:
        """True if it may create streams and consumers; a role with its own key only uses existing ones."""
        return self.seed is None or self.role == ADMIN

    @property
    def anonymous(self) -> bool:
        """True if it has no credentials."""
        return self.seed is None and self.creds is None

    def options(self, *, tls: bool) -> Mapping[str, Any]:
        """Return the options of a NATS client with this identity."""
        options: dict[str, Any] = {}
        if self.seed:
            options |= {"nkeys_seed": str(self.seed), "inbox_prefix": inbox(self.role)}
        elif self.creds:
            options |= {"user_credentials": str(self.creds)}
        if tls:
            options["tls"] = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        return options


class DeniedSubjects:
    """The subjects that the server denies a connection. It reports them in errors of their own, not in replies."""

    def __init__(self) -> None:
        """Start without any."""
        self._subjects: set[str] = set()

    def add_from(self, error: Exception) -> None:
        """Remember the subject of a permissions violation; ignore any other error."""
        if match := _VIOLATION.search(str(error)):
            self._subjects.add(match.group(2).lower())  # the client passes errors on in lower case

    def contains(self, subject: str) -> bool:
        """Return True if a subject has been denied."""
        return subject.lower() in self._subjects
