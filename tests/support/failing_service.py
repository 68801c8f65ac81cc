"""The lab's services with a director that fails on some events, which `FAILING_EVENTS` in its environment names.

`FAILING_EVENTS=AnalysisReady:e0002,CampaignPaused` fails on e0002's analysis and on every pause, once each and for
good. A retried letter is decided on as usual.
"""

import os
from dataclasses import replace

from agents.roles.director import Director
from bus.delivery.role import Decision
from bus.delivery.role_spec import RoleSpec
from bus.wire.envelope import Envelope, MalformedMessage
from lab.roster import role_spec
from lab.runtime import service
from tests.support.instant_service import instant_spec


class FailingDirector(Director):
    """Fails once on each of some events."""

    def __init__(self, fatal: set[str]) -> None:
        """Fail on `<type>` or `<type>:<experiment>`."""
        self._fatal = fatal
        self._failed: set[str] = set()

    def decide(self, envelope: Envelope) -> Decision:
        """Raise what is not tried again, or decide."""
        if {envelope.type, f"{envelope.type}:{envelope.experiment}"} & self._fatal and envelope.id not in self._failed:
            self._failed.add(envelope.id)
            raise MalformedMessage("ill")
        return (yield from super().decide(envelope))


def failing_spec(name: str) -> RoleSpec:
    """Return a role's declaration, with a failing director."""
    if name != "director":
        return instant_spec(name)
    fatal = set(os.environ["FAILING_EVENTS"].split(","))
    return replace(role_spec(name), build=lambda: FailingDirector(fatal))


if __name__ == "__main__":
    service.main(failing_spec)
