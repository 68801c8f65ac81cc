"""The lab's services with a director that fails on some events, which `FAILING_EVENTS` in its environment names.

With `FAILING_EVENTS=AnalysisReady:e0002,CampaignPaused`, the director gives up its decisions on the analysis of e0002
and on every pause. When such a dead letter is retried, the director decides as usual.
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
    """Fails on some events, the first time that it gets them."""

    def __init__(self, fatal: set[str]) -> None:
        """Fail on events named by `<type>` or `<type>:<experiment>`."""
        self._fatal = fatal
        self._failed: set[str] = set()

    def decide(self, envelope: Envelope) -> Decision:
        """Decide. Raises MalformedMessage, after which a message is not delivered again, for the fatal events."""
        if {envelope.type, f"{envelope.type}:{envelope.experiment}"} & self._fatal and envelope.id not in self._failed:
            self._failed.add(envelope.id)
            raise MalformedMessage("this event is fatal")
        return (yield from super().decide(envelope))


def failing_spec(name: str) -> RoleSpec:
    """Return a role's declaration, with a failing director."""
    if name != "director":
        return instant_spec(name)
    fatal = set(os.environ["FAILING_EVENTS"].split(","))
    return replace(role_spec(name), build=lambda: FailingDirector(fatal))


if __name__ == "__main__":
    service.main(failing_spec)
