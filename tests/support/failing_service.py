"""The lab's services with a director that can't decide upon some events: `AILING` in its environment names them.

`AILING=AnalysisReady:e0002,CampaignPaused` fails upon e0002's analysis and upon every pause, each at its first try and
without a second one; a retried letter is decided upon as ever.
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


class Ailing(Director):
    """Fails once upon each event that it was told of."""

    def __init__(self, fatal: set[str]) -> None:
        """Fail upon `<type>` or `<type>:<experiment>`."""
        self._fatal = fatal
        self._failed: set[str] = set()

    def decide(self, envelope: Envelope) -> Decision:
        """Raise what is not tried again, or decide."""
        if {envelope.type, f"{envelope.type}:{envelope.experiment}"} & self._fatal and envelope.id not in self._failed:
            self._failed.add(envelope.id)
            raise MalformedMessage("ill")
        return (yield from super().decide(envelope))


async def director(bus: Bus, _: Settings) -> None:
    """Serve such a director."""
    await Actor(bus, Ailing(set(os.environ["AILING"].split(",")))).run()


if __name__ == "__main__":
    roles.BUILD = {**roles.BUILD, "memory": memory, "trainer": trainer, "director": director}
    service.main()
