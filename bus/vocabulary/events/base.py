"""What every event is: a frozen, closed pydantic model, registered under its class name."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

EVENT_TYPES: dict[str, type["Event"]] = {}
"""Every event class by its wire name; the vocabulary of the lab."""


class Record(BaseModel):
    """A value that crosses the bus: immutable, no unknown keys, field docstrings kept for the JSON Schema."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Event(Record):
    """A fact. Subclassing registers the class: its name is the CloudEvents `type`."""

    once: ClassVar[bool] = False
    """True where an experiment can have only one such event; the stream itself then refuses a second."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Register the class, refusing a second one of the same name."""
        super().__pydantic_init_subclass__(**kwargs)
        assert cls.__name__ not in EVENT_TYPES, f"two events are called {cls.__name__}"
        EVENT_TYPES[cls.__name__] = cls
