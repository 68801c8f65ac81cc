"""The roster: every role that there is, found by its declaration (`bus.delivery.role_spec`).

A role of `agents/roles/` is a module of that package; the others are listed here. The names are known without
importing a role, since a service imports its own alone.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from bus.delivery.role_spec import RoleSpec
from bus.delivery.transport import Durable
from bus.security import access
from lab.errors import LabError

AGENTS = "agents.roles"
"""Package with a module for each agent."""
OTHERS: Mapping[str, str] = {
    "memory": "memory.role",
    "trainer": "trainer.role",
    "dashboard": "lab.observability.dashboard_role",
}
"""Roles that live elsewhere, and their modules."""


@cache
def agent_names() -> tuple[str, ...]:
    """Return the names of the agents, in alphabetical order."""
    spec = find_spec(AGENTS)
    assert spec is not None
    folders = spec.submodule_search_locations or ()
    names = (path.stem for folder in folders for path in Path(folder).glob("*.py"))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def role_names() -> tuple[str, ...]:
    """Return the name of every role."""
    return (*OTHERS, *agent_names())


def key_names() -> tuple[str, ...]:
    """Return the name of everybody who has a key: roles, and the clients of `bus.security.access`."""
    return (*role_names(), *access.CLIENTS)


def role_spec(name: str) -> RoleSpec:
    """Return a role's declaration. Raises LabError for an unknown name."""
    if name not in role_names():
        raise LabError(f"unknown role {name!r}; roles: {', '.join(role_names())}")
    spec = import_module(OTHERS.get(name, f"{AGENTS}.{name}")).SPEC
    assert spec.name == name, f"{name} declares itself as {spec.name}"
    return spec


def role_specs() -> dict[str, RoleSpec]:
    """Return every role's declaration by its name."""
    return {name: role_spec(name) for name in role_names()}


def needed_roles() -> tuple[str, ...]:
    """Return the names of the roles that a campaign can't go on without."""
    return tuple(name for name, spec in role_specs().items() if spec.needed)


def decider_specs() -> dict[str, RoleSpec]:
    """Return the declarations of the roles that decide on events of the log, by name."""
    return {name: spec for name, spec in role_specs().items() if spec.subscribes}


def all_durables() -> tuple[Durable, ...]:
    """Return the durable consumers of every role."""
    return tuple(durable for spec in role_specs().values() for durable in spec.durables)
