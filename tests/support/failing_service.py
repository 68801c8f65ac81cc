"""The lab's services with a director that fails on some events, named by the environment variable FAILING_EVENTS.

With `FAILING_EVENTS=AnalysisReady:e0002,CampaignPaused` it fails on e0002's analysis and on every pause, the first time
that it gets the event. It handles the event of a retried dead letter.
"""

import os

from agents.roles.director import Director
from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.role import Decision
from bus.wire.envelope import Envelope, MalformedMessage
from lab.runtime import roles, service
from lab.settings import Settings
from tests.support.instant_service import memory, trainer


class FailingDirector(Director):
    """Fails the first time that it gets one of the failing events."""

    def __init__(self, failing: set[str]) -> None:
        """Fail on events of `<type>` or `<type>:<experiment>`."""
        self._failing = failing
        self._failed: set[str] = set()

    def decide(self, envelope: Envelope) -> Decision:
        """Raise an error that is not retried, or decide."""
        names = {envelope.type, f"{envelope.type}:{envelope.experiment}"}
        if names & self._failing and envelope.id not in self._failed:
            self._failed.add(envelope.id)
            raise MalformedMessage("a test makes this event fail")
        return (yield from super().decide(envelope))


async def director(bus: Bus, _: Settings) -> None:
    """Serve the failing director."""
    await Actor(bus, FailingDirector(set(os.environ["FAILING_EVENTS"].split(",")))).run()


if __name__ == "__main__":
    roles.BUILD = {**roles.BUILD, "memory": memory, "trainer": trainer, "director": director}
    service.main()
