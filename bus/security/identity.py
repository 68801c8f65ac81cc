"""Who a connection is to the server, and what the server has refused it."""

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
    """A role's key, or credentials of another kind, or nobody's."""

    role: str = ""
    seed: Path | None = None
    """File with the role's nkey seed."""
    creds: Path | None = None
    """File with a user JWT and its seed, as `NATS_CREDS` names it."""
    ca: Path | None = None
    """Authority that a server's certificate has to be from; None for those that the system trusts."""

    @property
    def may_provision(self) -> bool:
        """Whether it may create streams and consumers: a role with a key of its own only uses what is there."""
        return self.seed is None or self.role == ADMIN

    @property
    def anonymous(self) -> bool:
        """Whether it shows no credentials at all."""
        return self.seed is None and self.creds is None

    def options(self, *, tls: bool) -> Mapping[str, Any]:
        """Return the client's options."""
        options: dict[str, Any] = {}
        if self.seed:
            options |= {"nkeys_seed": str(self.seed), "inbox_prefix": inbox(self.role)}
        elif self.creds:
            options |= {"user_credentials": str(self.creds)}
        if tls:
            options["tls"] = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        return options


class DeniedSubjects:
    """The subjects that the server has refused a connection: it says so beside the stream of answers, not in one."""

    def __init__(self) -> None:
        """Begin with none."""
        self._subjects: set[str] = set()

    def add_from(self, error: Exception) -> None:
        """Remember a refusal; any other error is none."""
        if found := _VIOLATION.search(str(error)):
            self._subjects.add(found.group(2).lower())  # as the client hands it on

    def contains(self, subject: str) -> bool:
        """Say whether a subject has been refused."""
        return subject.lower() in self._subjects
