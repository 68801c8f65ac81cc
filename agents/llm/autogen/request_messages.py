"""The messages of a request in AutoGen's terms, as far as the endpoint accepts them."""

from collections.abc import Sequence

from autogen_core.models import LLMMessage, SystemMessage, UserMessage

from agents.llm.abilities import Abilities
from agents.llm.conversation import Briefing
from agents.llm.request_parts import form_in_words


def request_messages(messages: Sequence[LLMMessage], briefing: Briefing, abilities: Abilities) -> list[LLMMessage]:
    """Return the messages with the form of the answer in words, if the request can't carry it, and where it can."""
    system, rest = _split(messages)
    system += form_in_words(briefing, abilities)
    if abilities.system or not rest or not isinstance(rest[0], UserMessage):
        return [SystemMessage(content=system), *rest]
    first = rest[0].model_copy(update={"content": f"{system}\n\n{rest[0].content}"})
    return [first, *rest[1:]]


def _split(messages: Sequence[LLMMessage]) -> tuple[str, list[LLMMessage]]:
    """Return the text of the system messages, and the others."""
    system = [message.content for message in messages if isinstance(message, SystemMessage)]
    return "\n".join(system), [message for message in messages if not isinstance(message, SystemMessage)]
