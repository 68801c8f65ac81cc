"""The adapters: one library or another behind the seam of `agents.llm.conversation`, imported when it is used."""

from agents.llm.conversation import Adapter
from agents.llm.endpoint import Endpoint


def adapter_for(endpoint: Endpoint) -> Adapter:
    """Return what talks to an endpoint.

    Raises ValueError for an unusable address, a key that is not set, or a library that is not installed.
    """
    if endpoint.library == "autogen":
        from agents.llm.autogen.adapter import AutoGenAdapter

        return AutoGenAdapter(endpoint)
    try:
        from agents.llm.agent_framework.adapter import AgentFrameworkAdapter
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the library agent-framework is not installed ({error.name}); hint: pip install 'move37[agent-framework]'"
        ) from None
    return AgentFrameworkAdapter(endpoint)
