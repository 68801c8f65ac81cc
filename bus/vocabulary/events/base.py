"""The base of every event: a frozen, closed pydantic model, registered under its class name.

A breaking change of an event raises its `version`; its wire type becomes `<Name>.v<version>`, and an upcaster
(`bus.wire.upcasters`) turns older data into today's.
"""

from typing import ClassVar

from pydantic import ConfigDict, Field

from bus.vocabulary.described import Described

EVENT_TYPES: dict[str, type["Event"]] = {}
"""Every event class by its wire name; the vocabulary of the lab."""


class Record(Described):
    """A value that crosses the bus: immutable, no unknown keys, field docstrings kept for the JSON Schema."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, defer_build=True
    )


class Limits(Record):
    """Limits of a run; a run that exceeds one is stopped."""

    seconds: float = Field(gt=0)
    """Wall seconds of the whole run, gates and evaluation included."""
    memory_mb: int = Field(gt=0)
    """Resident memory of the run, MiB."""


class Event(Record):
    """A fact. Subclassing registers the class: its name is the CloudEvents `type`."""

    version: ClassVar[int] = 1
    """Version of the event's data."""
    once: ClassVar[bool] = False
    """Whether an experiment can have only one such event; the stream then refuses a second."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Register the class, refusing a second one of the same name."""
        super().__pydantic_init_subclass__(**kwargs)
        assert cls.__name__ not in EVENT_TYPES, f"two events are called {cls.__name__}"
        EVENT_TYPES[cls.__name__] = cls

    @classmethod
    def wire_type(cls) -> str:
        """Return the CloudEvents `type`: the class name, from version 2 on with `.v<version>`."""
        return cls.__name__ if cls.version == 1 else f"{cls.__name__}.v{cls.version}"
