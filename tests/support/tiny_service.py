"""The lab's services with real training on a rung of a few steps: `python -m tests.support.tiny_service ROLE N`."""

from dataclasses import replace

from bus.delivery.role_spec import RoleSpec
from lab.roster import role_spec
from lab.runtime import service
from tests.support.instant_service import memory
from tests.support.tiny_runs import tiny_scale
from trainer import scales


def tiny_spec(name: str) -> RoleSpec:
    """Return a role's declaration; memory comes without the sentence model."""
    spec = role_spec(name)
    return replace(spec, serve=memory) if name == "memory" else spec


if __name__ == "__main__":
    scales.load = lambda _: tiny_scale()
    service.main(tiny_spec)
