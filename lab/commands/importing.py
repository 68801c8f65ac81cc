"""The command `import`: takes a foreign history into a campaign."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lab.options import JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json
from lab.terminal.working import working

POSITION = 60

app = typer.Typer()


@app.command("import")
@with_settings
def import_(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="JSONL: one experiment a line.")],
    id_field: Annotated[str, typer.Option(help="Column of the id.")] = "id",
    parent_field: Annotated[str, typer.Option(help="Column of the parent's id; null for none.")] = "parent",
    motivation_field: Annotated[str, typer.Option(help="Column of the motivation.")] = "motivation",
    source_field: Annotated[str, typer.Option(help="Column of the source.")] = "source",
    scores_field: Annotated[str, typer.Option(help="Column of a number, or of an object of numbers.")] = "scores",
    time_field: Annotated[str, typer.Option(help="Column of the time: ISO 8601, or seconds since 1970.")] = "time",
    name_field: Annotated[str, typer.Option(help="Column of the name; the id stands in for a missing one.")] = "name",
    rank_by: Annotated[str, typer.Option(help="Score to rank by; with a minus if lower is better: -loss.")] = "",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out bad lines and import the others.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Import a foreign history as experiments.

    Imported experiments are ranked apart (move37 best --imported). Ideas may start from the best ten, and every idea is
    compared with their sources and motivations. Nothing is trained or checked. A second import adds nothing.

    Example: move37 import history.jsonl --id-field index --source-field program --rank-by score
    """
    from lab.operations import import_history
    from lab.operations.foreign_history import Columns

    columns = Columns(
        id_field, parent_field, motivation_field, source_field, scores_field, time_field, name_field, rank_by
    )
    try:
        with working(f"importing {file}"):
            summary = run_async(import_history.import_history(settings, file, columns, skip_bad=skip_bad))
    except import_history.BadHistory as error:
        for line in error.bad[: import_history.MAX_BAD_LINES_SHOWN]:
            print(f"move37: {line}", file=sys.stderr)
        raise
    if as_json:
        print_json(asdict(summary))
        return 0
    known, skipped = summary.lines - summary.added, summary.bad
    notes = [f"{known} were there already"] * (known > 0) + [f"{skipped} bad lines skipped"] * (skipped > 0)
    rest = f" ({', '.join(notes)})" if notes else ""
    print(f"imported {summary.added} experiments into {summary.campaign} in {summary.seconds} s{rest}")
    return 0
