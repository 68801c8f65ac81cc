"""Declarations of roles that only a test has."""

from typing import Any

from bus.delivery.role import Role
from bus.delivery.role_spec import RoleSpec
from bus.vocabulary.events import CampaignPaused


def spec_of(role: Role, name: str = "echo", **fields: Any) -> RoleSpec:
    """Return a declaration that builds `role`, which decides on pauses unless `fields` say otherwise."""
    defaults: dict[str, Any] = {"summary": "is tested", "subscribes": (CampaignPaused,), "build": lambda: role}
    return RoleSpec(name=name, **defaults | fields)
