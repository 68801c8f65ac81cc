"""What the server needs from the lab behind it; `lab.observability.dashboard_feed` implements it for a running lab."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from pydantic import Field

from bus.wire.envelope import Envelope
from dashboard.history.history import CampaignHistory
from dashboard.history.readings import Readings
from dashboard.server.hub import Hub
from dashboard.server.inputs import BrowserInput


class KeyRefused(Exception):
    """A key opens no connection to the lab; the text says why in one line."""


class LabSilent(Exception):
    """The lab does not answer; the text says what did not come."""


class ForkRefused(Exception):
    """A fork can't be started or stopped; the text says why in one line."""


class PersonSpeaker(Protocol):
    """A person's own connection to the lab."""

    @property
    def public_key(self) -> str:
        """The public part of the key with which the person signed in."""
        ...

    async def say(self, campaign: str, message: Mapping[str, Any]) -> str:
        """Publish a message of the person, and return its subject. Raises KeyRefused, LabSilent."""
        ...

    async def close(self) -> None:
        """End the connection, and forget the key."""
        ...


class ForkWish(BrowserInput):
    """A fork that a person wants: where it leaves the log, and what is different there."""

    at: int = Field(ge=1, lt=2**63)
    """Last position that the fork keeps."""
    text: str = Field(default="", max_length=2_000, pattern=r"^[^\x00-\x1f\x7f]*$")
    """What its owner says to the lab there; empty for nothing."""
    experiments: int | None = Field(default=None, ge=0, le=1_000_000)
    """Experiments of the fork; None for as many as the log says."""
    policy: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,39}$")
    """Search policy of the fork; None for the one in the log."""
    seed: int | None = Field(default=None, ge=0, le=2**53 - 1)
    """Seed of the draws of the fork's search; None for those of the log."""
    models: Literal["settings", "none"] | None = None
    """Whether the language models of the lab's settings take part, or none does; None for those of the log."""


class ForkHost(Protocol):
    """Where forks of the campaign run: next to the lab's own home."""

    def listed(self) -> Mapping[str, Any]:
        """Return the lab's `home`, how many forks may run `at_once`, the `policies`, and the `forks`, the newest first.

        A fork has a `name`, a `home`, what its wish said, `by` whom and when it `started` (Unix time), its `state`
        (copying, running, ended), the address of its own `page` while it runs, and the last line that it `said`.
        """
        ...

    async def start(self, wish: ForkWish, speaker: PersonSpeaker) -> str:
        """Start a fork and return its name. Raises ForkRefused, also if the person's key is not valid any more."""
        ...

    async def stop(self, name: str, speaker: PersonSpeaker) -> None:
        """Ask a fork to end in order. Raises ForkRefused."""
        ...


class LabSource(Protocol):
    """One campaign of a lab."""

    @property
    def history(self) -> CampaignHistory:
        """The campaign's log as rows and entries; another campaign has another history."""
        ...

    @property
    def readings(self) -> Readings:
        """Loss readings of the runs under way."""
        ...

    @property
    def hub(self) -> Hub:
        """Where new events and vitals come from."""
        ...

    @property
    def forks(self) -> ForkHost | None:
        """Where forks run; None if the lab's home is elsewhere, or the settings allow none."""
        ...

    def vitals(self) -> Mapping[str, Any]:
        """Return what no log holds: services, absent roles, pace, time left, progress of runs, forks.

        `read` is the fraction of the log that has been read; below 1, pages show the rows so far.
        """
        ...

    def standing(self) -> Mapping[str, Any]:
        """Return memory's newest answer: scores by experiment, and the guidance in force."""
        ...

    async def events_of(self, experiment: str) -> Sequence[Envelope]:
        """Return every event about an experiment, oldest first. Raises LabSilent."""
        ...

    async def event_at(self, seq: int) -> Envelope | None:
        """Return the campaign's event at a position, None if there is none. Raises LabSilent."""
        ...

    async def discovery(self, at: int) -> Mapping[str, Any]:
        """Return what is known of discoveries as of a position, 0 for the newest; see `dashboard.history.discovery`.

        Empty without a campaign. Raises LabSilent.
        """
        ...

    async def spending(self, at: int) -> Mapping[str, Any]:
        """Return what language models took up to a position, 0 for the newest. Raises LabSilent."""
        ...

    async def report(self) -> str:
        """Return the report of the campaign as HTML. Raises LabSilent."""
        ...

    async def check(self, source: str) -> Mapping[str, Any]:
        """Return the verdict on an architecture file, as `move37 check --json` prints it. Raises LabSilent."""
        ...

    async def sign_in(self, person: str, key: str) -> PersonSpeaker:
        """Connect with a person's key; an empty name is the owner's. Raises KeyRefused."""
        ...
