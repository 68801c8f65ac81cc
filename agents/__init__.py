"""Who decides: director, researcher, engineer, analyst and the human desk, as pure roles (`bus.role`).

Nothing here imports torch, and AutoGen is imported by `agents.model` alone, when a client is made: an agent's process
stays small. Names are loaded on first use.

    from agents import Director, Researcher, ResearcherSettings
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.analyst import Analyst
    from agents.desk import Desk, read_message
    from agents.director import Director
    from agents.engineer import Engineer, EngineerSettings
    from agents.model import Endpoint, ModelClient
    from agents.researcher import Researcher, ResearcherSettings

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
    "Analyst": "agents.analyst",
    "Desk": "agents.desk",
    "Director": "agents.director",
    "Endpoint": "agents.model",
    "Engineer": "agents.engineer",
    "EngineerSettings": "agents.engineer",
    "ModelClient": "agents.model",
    "Researcher": "agents.researcher",
    "ResearcherSettings": "agents.researcher",
    "read_message": "agents.desk",
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
