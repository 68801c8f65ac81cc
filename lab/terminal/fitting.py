"""Tables that fit the terminal: columns give way to narrower ones, then to fewer ones, then each row stands alone.

A column has a rank: the lowest are the last to go. A line below the table says which columns are left out. In a pipe or
a file every text is whole, for `grep` and `awk`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

GAP = 2
PIPE_WIDTH = 1000
"""Width of a page that no terminal shows: no text is cut there."""
MAX_RECORD_WIDTH = 160
"""Width from which on rows of any columns stand one below the other in a pipe too."""
MIN_FLEXIBLE_WIDTH = 14
"""Width to which a long text may be cut before a column is left out."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    rank: int = 0
    """Columns of high rank are left out first; those of rank 0 never."""
    right: bool = False
    """Whether its figures stand to the right."""
    max_width: int | None = None
    """Width at which a long text is cut; it may become narrower."""


def print_table(page: Console, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with as many of its columns as the page has room for; the last line names the others."""
    lines = list(rows)
    if page.width >= PIPE_WIDTH:
        columns = [replace(column, max_width=None) for column in columns]
    shown = fitting(columns, lines, page.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for index, width in zip(shown, _widths(columns, lines, shown, page.width), strict=True):
        column = columns[index]
        side = "right" if column.right else "left"
        table.add_column(escape(column.name), justify=side, no_wrap=True, overflow="ellipsis", width=width)
    for line in lines:
        table.add_row(*(escape(line[index]) for index in shown))
    print_trimmed(page, table)
    if hidden := [column.name for index, column in enumerate(columns) if index not in shown]:
        print_trimmed(page, f"[dim]left out: {', '.join(hidden)}; hint: a wider terminal, or --json[/]")


def print_trimmed(page: Console, content: RenderableType) -> None:
    """Print a table or a text; where nobody looks, without the spaces that fill its lines."""
    if page.is_terminal:
        page.print(content)
        return
    with page.capture() as capture:
        page.print(content)
    for line in capture.get().splitlines():
        page.file.write(f"{line.rstrip()}\n")


def fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the indexes of the columns that fit into a width."""
    shown = list(range(len(columns)))
    while _least_width(columns, rows, shown) > width:
        candidates = [index for index in shown if columns[index].rank]
        if not candidates:
            break
        shown.remove(max(candidates, key=lambda index: (columns[index].rank, index)))
    return shown


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> int:
    """Return the width of a table whose long texts are cut as far as they may be."""
    widths = _natural_widths(columns, rows, shown)
    least = [min(width, MIN_FLEXIBLE_WIDTH) if columns[i].max_width else width for i, width in widths.items()]
    return sum(least) + GAP * (len(least) - 1)


def _natural_widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> dict[int, int]:
    """Return the width of each column's longest cell, by index, at most its limit."""
    longest = {i: max(map(cell_len, (columns[i].name, *(row[i] for row in rows)))) for i in shown}
    return {i: min(width, columns[i].max_width or width) for i, width in longest.items()}


def _widths(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int], width: int
) -> Iterator[int]:
    """Yield the width of each column: long texts share the room that the others leave, the first ones first."""
    natural = _natural_widths(columns, rows, shown)
    least = {i: min(size, MIN_FLEXIBLE_WIDTH) if columns[i].max_width else size for i, size in natural.items()}
    room = max(width - sum(least.values()) - GAP * (len(least) - 1), 0)
    for i in shown:
        more = min(natural[i] - least[i], room)
        room -= more
        yield least[i] + more


def print_records(page: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of any columns as a table or, if it is too wide, each row as lines of a name and a value."""
    if not rows:
        return
    names = list(rows[0])
    cells = [["" if row[name] is None else str(row[name]) for name in names] for row in rows]
    right = [not isinstance(rows[0][name], str | None) for name in names]
    columns = [Column(name.replace("_", " "), right=right[index]) for index, name in enumerate(names)]
    if _least_width(columns, cells, range(len(names))) <= min(page.width, MAX_RECORD_WIDTH):
        print_table(page, columns, cells)
        return
    for number, line in enumerate(cells):
        if number:
            page.print()
        for name, value in zip(names, line, strict=True):
            page.print(f"[bold]{escape(name.replace('_', ' '))}[/]  {escape(value)}")
