"""Who decides: director, researcher, engineer, analyst and the human desk, as pure roles (`bus.delivery.role`).

Nothing here imports torch, and AutoGen is imported by `agents.llm.model` alone, when a client is made: an agent's
process stays small. Names are loaded on first use.

    from agents import Director, Researcher, ResearcherSettings
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.llm.model import Endpoint, ModelClient
    from agents.roles.analyst import Analyst
    from agents.roles.desk import Desk, read_message
    from agents.roles.director import Director
    from agents.roles.engineer import Engineer, EngineerSettings
    from agents.roles.researcher import Researcher, ResearcherSettings

__all__ = [
    "Analyst",
    "Desk",
    "Director",
    "Endpoint",
    "Engineer",
    "EngineerSettings",
    "ModelClient",
    "Researcher",
    "ResearcherSettings",
    "read_message",
]

_HOMES = {
    "Analyst": "agents.roles.analyst",
    "Desk": "agents.roles.desk",
    "Director": "agents.roles.director",
    "Endpoint": "agents.llm.model",
    "Engineer": "agents.roles.engineer",
    "EngineerSettings": "agents.roles.engineer",
    "ModelClient": "agents.llm.model",
    "Researcher": "agents.roles.researcher",
    "ResearcherSettings": "agents.roles.researcher",
    "read_message": "agents.roles.desk",
}


def __getattr__(name: str) -> object:
    """Import the module that holds `name` on first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'agents' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
