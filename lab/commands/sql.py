"""The command `sql`: asks memory in SQL."""

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from lab.errors import LabError, WrongUsage
from lab.options import AtOption, JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json_lines
from lab.terminal.prose import print_line
from lab.terminal.working import working

POSITION = 24

app = typer.Typer()


@app.command()
@with_settings
def sql(
    settings: Settings,
    statement: Annotated[str | None, typer.Argument(help="One SELECT, in DuckDB's SQL.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Rows at most.", min=1, max=10_000)] = 100,
    tables: Annotated[bool, typer.Option("--tables", help="List the tables and their columns instead.")] = False,
    log: Annotated[Path | None, typer.Option("--log", help="An exported log (default: the lab's memory).")] = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask memory in SQL.

    Read-only, in a process of its own, within 10 seconds (--log: a minute) and 512 MB. With --json, each row is an
    object on its own line.

    Example: move37 sql "SELECT origin, count(*), max(fitness) FROM experiments GROUP BY origin"
    """
    from lab.operations import sql as asking
    from lab.terminal import tables as printing

    if tables:
        _print_tables(as_json=as_json)
        return
    if statement is None:
        raise WrongUsage('sql needs a SELECT; hint: move37 sql --tables, then move37 sql "SELECT ..."')
    try:
        with working(f"reading {log}") if log else nullcontext():
            ask = asking.ask_log(log, statement, limit, at) if log else None
    except ValueError as error:
        raise LabError(str(error)) from None
    reply = ask or run_async(asking.ask_lab(settings, statement, limit, at))
    rows = [dict(zip(_distinct(reply.columns), row, strict=True)) for row in reply.rows]
    if as_json:
        print_json_lines(rows)
    elif rows:
        printing.print_rows(rows)
    if reply.truncated:
        print(f"only the first {len(rows)} rows; hint: --limit, or count in SQL", file=sys.stderr)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names of columns, with a number where one comes again, as after a join of a table with itself."""
    seen = Counter[str]()
    found: list[str] = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found


def _print_tables(*, as_json: bool) -> None:
    """Print every table with its columns."""
    from memory.sql.tables import sql_tables

    if as_json:
        print_json_lines(
            {"name": one.name, "summary": one.summary, "columns": list(one.columns)} for one in sql_tables()
        )
        return
    for table in sql_tables():
        print_line(f"{table.name}: ", table.summary)
        print_line("  ", ", ".join(table.columns))
