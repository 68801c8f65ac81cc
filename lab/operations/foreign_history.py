"""Reads the history of another laboratory from a JSONL file: one experiment a line, its columns named by flags."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from architecture.limits import MAX_SOURCE_CHARACTERS
from bus.vocabulary.events import ExperimentImported
from bus.wire.ids import derive
from bus.wire.plain_text import clean_line, clean_text
from lab.errors import LabError

NAME_CHARACTERS = 80
ID_DIGITS = 12
"""Hex digits in the id of an imported experiment."""


class _Fault(Exception):
    """Why a line can't be imported."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a history's columns; a dot leads into an object, as in `result.test`."""

    id: str = "id"
    parent: str = "parent"
    motivation: str = "motivation"
    source: str = "source"
    scores: str = "scores"
    """A number, or an object of numbers."""
    time: str = "time"
    """ISO 8601, in UTC if it has no zone, or seconds since 1970."""
    name: str = "name"
    rank_by: str = ""
    """The score that ranks experiments, with a minus in front if lower is better; empty for the only score."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that can't be imported."""

    number: int
    reason: str

    def __str__(self) -> str:
        """Return the fault in one line."""
        return f"line {self.number}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ForeignExperiment:
    """One line of a history."""

    number: int
    """Its line."""
    id: str
    parent: str | None
    name: str
    motivation: str
    source: str
    scores: Mapping[str, float]
    time: datetime | None

    @property
    def experiment(self) -> str:
        """Its id in this lab: the same line has the same id, and another history's line of that id another one."""
        return f"i-{derive('imported', self.id, self.source)[:ID_DIGITS]}"


@dataclass(frozen=True, slots=True)
class ForeignHistory:
    """A history: its good lines and its bad ones, both in the order of the file."""

    name: str
    experiments: Sequence[ForeignExperiment]
    bad: Sequence[BadLine]

    def events(self, rank_by: str = "") -> list[tuple[str, ExperimentImported]]:
        """Return every good line as an event, with its experiment's id. Raises LabError if no line has the score."""
        names = sorted({name for one in self.experiments for name in one.scores})
        score = rank_by.removeprefix("-") or (names[0] if len(names) == 1 else "")
        if rank_by and score not in names:
            raise LabError(f"no line has a score {score!r} to rank by; scores: {', '.join(names) or 'none'}")
        sign = -1.0 if rank_by.startswith("-") else 1.0
        ids = {one.id: one.experiment for one in self.experiments}
        return [
            (
                one.experiment,
                ExperimentImported(
                    name=one.name,
                    motivation=one.motivation,
                    source=one.source,
                    history=self.name,
                    foreign_id=one.id,
                    parent=ids.get(one.parent or ""),
                    scores=dict(one.scores),
                    merit=sign * one.scores[score] if score in one.scores else None,
                    time=one.time,
                ),
            )
            for one in self.experiments
        ]


def read_history(file: Path, columns: Columns) -> ForeignHistory:
    """Return the history in a file. Raises LabError if the file can't be read."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise LabError(f"can't read {file} ({error.strerror})") from None
    good: dict[str, ForeignExperiment] = {}
    bad: list[BadLine] = []
    lines_by_id: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = _parse(line)
            foreign_id = _own_id(row, columns)
            if foreign_id in lines_by_id:
                raise _Fault(f"id {foreign_id!r} repeats line {lines_by_id[foreign_id]}")
            lines_by_id[foreign_id] = number
            good[foreign_id] = _experiment(number, foreign_id, row, columns)
        except _Fault as fault:
            bad.append(BadLine(number, str(fault)))
    orphans = {one.number: one for one in good.values() if one.parent is not None and one.parent not in lines_by_id}
    bad += (BadLine(number, f"parent {one.parent!r} is on no line") for number, one in orphans.items())
    experiments = [one for one in good.values() if one.number not in orphans]
    return ForeignHistory(
        clean_line(file.name, NAME_CHARACTERS), experiments, sorted(bad, key=lambda line: line.number)
    )


def _parse(line: bytes) -> dict[str, Any]:
    """Return the object in a line. Raises _Fault."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Fault(f"no JSON ({type(error).__name__})") from None
    if not isinstance(row, dict):
        raise _Fault(f"no JSON object but {_short(row)}")
    return row


def _own_id(row: Mapping[str, Any], columns: Columns) -> str:
    """Return a line's id. Raises _Fault."""
    foreign_id = _identifier(row, columns.id)
    if foreign_id is None:
        raise _Fault(f"{columns.id} is missing")
    return foreign_id


def _experiment(number: int, foreign_id: str, row: Mapping[str, Any], columns: Columns) -> ForeignExperiment:
    """Return the experiment of a line. Raises _Fault with the reason that it is none."""
    parent, name = _identifier(row, columns.parent), _get(row, columns.name)
    if parent == foreign_id:
        raise _Fault(f"id {foreign_id!r} is its own parent")
    return ForeignExperiment(
        number=number,
        id=foreign_id,
        parent=parent,
        name=(clean_line(name, NAME_CHARACTERS) if isinstance(name, str) else "") or foreign_id,
        motivation=clean_text(_text(row, columns.motivation), MAX_SOURCE_CHARACTERS),
        source=_text(row, columns.source),
        scores=_scores(_get(row, columns.scores), columns.scores),
        time=_time(_get(row, columns.time), columns.time),
    )


def _get(row: Mapping[str, Any], path: str) -> Any:
    """Return the value of a column, None without one."""
    if path in row:
        return row[path]
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _identifier(row: Mapping[str, Any], column: str) -> str | None:
    """Return an id, None without one. Raises _Fault."""
    value = _get(row, column)
    if value is None:
        return None
    text = clean_line(str(value), NAME_CHARACTERS)
    if isinstance(value, bool) or not isinstance(value, int | str) or not text or text != str(value):
        raise _Fault(f"{column} is no id on one line of at most {NAME_CHARACTERS} characters: {_short(value)}")
    return text


def _text(row: Mapping[str, Any], column: str) -> str:
    """Return a text that is not empty. Raises _Fault."""
    value = _get(row, column)
    if not isinstance(value, str) or not value.strip():
        raise _Fault(f"{column} is {'missing' if value is None else f'no text: {_short(value)}'}")
    if len(value) > MAX_SOURCE_CHARACTERS:
        raise _Fault(f"{column} is longer than {MAX_SOURCE_CHARACTERS:,} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Fault(f"{column} has half of a surrogate pair, which is no text") from None
    return value


def _scores(value: Any, column: str) -> dict[str, float]:
    """Return the figures by name; those that are null are left out. Raises _Fault."""
    named = value if isinstance(value, dict) else {column.rpartition(".")[2]: value}
    figures = {clean_line(str(name), NAME_CHARACTERS): figure for name, figure in named.items() if figure is not None}
    for name, figure in figures.items():
        if isinstance(figure, bool) or not isinstance(figure, int | float):
            raise _Fault(f"score {name} is no number: {_short(figure)}")
        if abs(figure) > 1e300 or not math.isfinite(figure):
            raise _Fault(f"score {name} is not finite")
    return {name: float(figure) for name, figure in figures.items()}


def _time(value: Any, column: str) -> datetime | None:
    """Return a time with its zone, None without one. Raises _Fault."""
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise _Fault(f"{column} is no time: {_short(value)}") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _short(value: Any) -> str:
    return clean_line(repr(value), 60)
