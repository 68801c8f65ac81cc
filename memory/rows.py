"""Rows: facts that became true at a position of the log, stored for good and never changed.

Rows are only ever added. So memory answers a question about an earlier position from the rows up to it, and the same
log gives the same rows, however it was cut into batches. One dataclass defines the table (`ddl`), how its rows derive
from events (`projects`), and what the read model keeps.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from sys import intern
from typing import Any, ClassVar, TypeVar, get_type_hints

from bus.vocabulary.events import EVENT_TYPES, Event
from bus.wire.envelope import Envelope

SQL_TYPES: dict[Any, str] = {
    int: "BIGINT",
    int | None: "BIGINT",
    float: "DOUBLE",
    float | None: "DOUBLE",
    str: "VARCHAR",
    str | None: "VARCHAR",
    bool: "BOOLEAN",
    bytes: "BLOB",
    tuple[str, ...]: "VARCHAR[]",
    tuple[float, ...]: "DOUBLE[]",
}
"""The SQL type of each type that a column may have."""

INT64 = range(-(2**63), 2**63)
"""Whole numbers that a BIGINT column can store."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fact about an experiment (or about the `campaign`)."""

    table: ClassVar[str]
    """Name of its table."""
    held: ClassVar[bool] = True
    """Whether the read model keeps it in memory; long texts stay in the file."""

    seq: int
    """Position in the log at which it became true."""
    campaign: str
    experiment: str


RowT = TypeVar("RowT", bound=Row)

Column = Callable[[Any], object]
"""Returns a column's value from an event."""


@cache
def columns(kind: type[Row]) -> dict[str, str]:
    """Return a table's columns and their SQL types, in order."""
    hints = get_type_hints(kind)
    return {field.name: SQL_TYPES[hints[field.name]] for field in fields(kind)}


def ddl(kind: type[Row]) -> str:
    """Return the statement that creates a row's table."""
    body = ", ".join(f'"{name}" {sql}' for name, sql in columns(kind).items())
    return f"CREATE TABLE {kind.table} ({body})"


@dataclass(frozen=True, slots=True)
class Projection:
    """How one kind of event becomes a row of one kind. It reads nothing but the event."""

    kind: type[Row]
    derived: dict[str, Column]
    """Columns that are not fields of the event."""
    when: Callable[[Any], bool] = lambda _: True
    """Whether an event has a row of this kind."""

    def row(self, envelope: Envelope) -> Row:
        """Return the event's row. Raises ValueError if it holds a whole number beyond 64 bits."""
        event = envelope.event
        derived = {name: column(event) for name, column in self.derived.items()}
        place = {"seq": envelope.seq, "campaign": intern(envelope.campaign), "experiment": intern(envelope.experiment)}
        values = {**vars(event), **place, **derived}
        row = [values[name] for name in columns(self.kind)]
        if any(type(value) is int and value not in INT64 for value in row):
            raise ValueError(f"{envelope.type} holds a whole number beyond 64 bits")
        return self.kind(*row)


PROJECTIONS: defaultdict[str, list[Projection]] = defaultdict(list)
"""The projections of each event, by the name of the event."""


def projects(
    *events: type[Event], when: Callable[[Any], bool] = lambda _: True, **derived: Column
) -> Callable[[type[RowT]], type[RowT]]:
    """Declare that each of these events, `when` it says so, becomes a row of the decorated class.

    A column takes the value of the event's field of the same name; `derived` names the other columns, each with a
    function of the event.
    """

    def register(kind: type[RowT]) -> type[RowT]:
        for event in events:
            assert event.__name__ in EVENT_TYPES
            missing = set(columns(kind)) - {*columns(Row), *event.model_fields, *derived}
            assert not missing, f"{kind.__name__}: {event.__name__} has no {', '.join(sorted(missing))}"
            PROJECTIONS[event.__name__].append(Projection(kind, derived, when))
        return kind

    return register
