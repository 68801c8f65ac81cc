"""What a row is: something that became true at a position of the log, kept for good and never changed.

Because rows are only ever added, a question about an earlier position is answered from the rows up to it, and the same
log gives the same rows however it was cut into batches. One dataclass is at once the table (`ddl`), the projection's
result and what the ledger holds.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from sys import intern
from typing import Any, ClassVar, Self, get_type_hints

from bus.vocabulary.events import EVENT_TYPES, Event
from bus.wire.envelope import Envelope

SQL_TYPES: dict[Any, str] = {
    int: "BIGINT",
    float: "DOUBLE",
    float | None: "DOUBLE",
    str: "VARCHAR",
    str | None: "VARCHAR",
    bool: "BOOLEAN",
    bytes: "BLOB",
    tuple[str, ...]: "VARCHAR[]",
    tuple[float, ...]: "DOUBLE[]",
}
"""How the fields of a row are stored."""

INT64 = range(-(2**63), 2**63)
"""Whole numbers that a BIGINT column holds."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fact about an experiment (or about the `campaign`)."""

    table: ClassVar[str]
    """Where it is stored."""
    held: ClassVar[bool] = True
    """Whether the ledger keeps it in memory; long texts stay in the file."""

    seq: int
    """Position in the log at which it became true."""
    campaign: str
    experiment: str

    @classmethod
    def of(cls, envelope: Envelope, **more: object) -> Self:
        """Return the row whose fields are those of the event with the same names, or are given in `more`.

        Raises ValueError for a whole number beyond 64 bits.
        """
        where = {"seq": envelope.seq, "campaign": intern(envelope.campaign), "experiment": intern(envelope.experiment)}
        known = {**vars(envelope.event), **where, **more}
        values = [known[name] for name in columns(cls)]
        for value in values:
            if type(value) is int and value not in INT64:
                raise ValueError(f"{envelope.type} holds a whole number beyond 64 bits")
        return cls(*values)


@cache
def columns(kind: type[Row]) -> dict[str, str]:
    """Return a table's columns and their SQL types, in order."""
    hints = get_type_hints(kind)
    return {field.name: SQL_TYPES[hints[field.name]] for field in fields(kind)}


def ddl(kind: type[Row]) -> str:
    """Return the statement that creates a row's table."""
    body = ", ".join(f'"{name}" {sql}' for name, sql in columns(kind).items())
    return f"CREATE TABLE {kind.table} ({body})"


Projection = Callable[[Envelope], list[Row]]
"""What is kept of an event; depends on the event alone."""

PROJECTIONS: dict[str, Projection] = {}
"""Every projection by the name of its event."""


def projects(*kinds: type[Event]) -> Callable[[Projection], Projection]:
    """Register the projection of one or more kinds of events."""

    def register(projection: Projection) -> Projection:
        for kind in kinds:
            assert kind.__name__ not in PROJECTIONS, f"{kind.__name__} is projected twice"
            assert kind.__name__ in EVENT_TYPES
            PROJECTIONS[kind.__name__] = projection
        return projection

    return register
