"""The first fault of settings that a person gave, in one line."""

from pydantic import ValidationError

from bus.vocabulary.events import Record


def first_fault(error: ValidationError, kind: type[Record]) -> str:
    """Return the first fault of a validation in one line; a hint names the settings if one is unknown."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"])) or error.title
    if first["type"] == "extra_forbidden":
        return f"{name}: no such setting; hint: choose one of {', '.join(kind.model_fields) or 'none'}"
    return f"{name}: {first['msg'].lower()} ({first['input']!r})"
