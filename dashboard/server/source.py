"""What the server needs from the lab behind it; `lab.observability.dashboard_feed` implements it for a running lab."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bus.wire.envelope import Envelope
from dashboard.history.history import CampaignHistory
from dashboard.history.readings import Readings
from dashboard.server.hub import Hub


class KeyRefused(Exception):
    """A key opens no connection to the lab; the text says why in one line."""


class LabSilent(Exception):
    """The lab does not answer; the text says what did not come."""


class PersonSpeaker(Protocol):
    """A person's own connection to the lab."""

    async def say(self, campaign: str, message: Mapping[str, Any]) -> str:
        """Publish a message of the person, and return its subject. Raises KeyRefused, LabSilent."""
        ...

    async def close(self) -> None:
        """End the connection, and forget the key."""
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

    def vitals(self) -> Mapping[str, Any]:
        """Return what no log holds: services, absent roles, pace, time left, progress of runs.

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
