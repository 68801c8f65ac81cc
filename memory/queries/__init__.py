"""The answer to every query, as of the position that it asks about: one handler for each, found in this folder.

The service answers roles with these handlers. A reader that opens the file of a stopped lab answers a person with the
same ones. A new query is declared in `bus.vocabulary.queries` and answered by a new file here; nothing else changes.
"""

import pkgutil
from importlib import import_module
from typing import Any

from bus.vocabulary.events import Record
from bus.vocabulary.queries import Query
from memory.queries.handler import Knowledge, QueryHandler

__all__ = ["HANDLERS", "Knowledge", "QueryHandler", "answer", "handler_for"]

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

HANDLERS: dict[type[Query], type[QueryHandler[Any]]] = {kind.query_type: kind for kind in QueryHandler.__subclasses__()}
"""The handler of every query."""


def handler_for(knowledge: Knowledge, query: Query) -> QueryHandler[Any]:
    """Return the handler of a query; `query.at` of 0 means the position that memory has read.

    Raises ValueError if memory has not read the log as far as `query.at`.
    """
    position = knowledge.store.position
    if query.at > position:
        raise ValueError(f"memory has read the log up to {position}, the question is about {query.at}")
    if not query.at:
        query = query.model_copy(update={"at": position})
    return HANDLERS[type(query)](knowledge, query)


def answer(knowledge: Knowledge, query: Query) -> Record:
    """Return the reply to a query. Raises ValueError if it is about something that is not there, or not read yet."""
    return handler_for(knowledge, query).answer()
