"""Commands that take something out of a lab: export, export-log."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from lab.commands.reading import ArchiveOption, IdArgument, fetch_one
from lab.errors import WrongUsage
from lab.options import JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json
from lab.terminal.working import working

POSITION = 22

app = typer.Typer()


@app.command()
@with_settings
def export(
    settings: Settings,
    experiment: IdArgument,
    to: Annotated[
        Literal["module", "hf", "fla"],
        typer.Option("--to", help="A stand-alone Python file, a Hugging Face folder, or a layer in fla's form."),
    ] = "module",
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write into (default: exported/ID-FORM).")] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="The run's weights, copied from a trainer.")] = None,
    log: Annotated[Path | None, typer.Option("--log", help="An exported log (default: the lab's own log).")] = None,
    as_json: JsonOption = False,
) -> int:
    """Export an experiment, with a certificate that it computes what the lab computed.

    The lab's model and the export run in the sandbox; outputs, gradients and step-by-step decoding are compared. Exit
    code 0 only if they agree. The folder holds the experiment's own source and record too. Weights that this home lacks
    come from the trainer that has them, if it runs.

    Example: move37 export e0003 --to hf --out my-model
    """
    from lab.operations import export as exports
    from lab.operations import log_export, replay
    from lab.terminal import tables

    row = fetch_one(settings, experiment, archive=log)
    history = replay.read_history(log) if log else run_async(log_export.read_events(settings))
    run = exports.completed_run(history, row.id, settings.campaign)
    with working(f"fetching the weights of {row.id}"):
        found = run_async(exports.find_weights(settings, run, weights, ask=log is None))
    folder = out or Path("exported") / f"{row.id}-{to}"
    with working(f"exporting {row.id} and certifying it in the sandbox"):
        summary = exports.write_export(settings, row, run, to, folder, found)
    if summary.note:
        print(summary.note, file=sys.stderr)
    if as_json:
        print_json({"folder": str(folder)} | (summary.certificate.document() if summary.certificate else {}))
    else:
        tables.print_certificate(summary.certificate)
        print(folder)
    return 0 if summary.certificate is None or summary.certificate.passed else 1


@app.command("export-log")
@with_settings
def export_log(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="File to write: one CloudEvent a line.")],
    parquet: Annotated[bool, typer.Option("--parquet", help="Write one Parquet table instead, for analysis.")] = False,
    archive: ArchiveOption = None,
) -> None:
    """Write the whole log to a file, byte for byte.

    With --parquet, a table with a row for each event; it can't be replayed. --log makes one of an exported log.

    Example: move37 export-log campaign.jsonl
    """
    from lab.operations import log_export, replay
    from lab.operations.parquet import write_parquet

    if archive and not parquet:
        raise WrongUsage(f"{archive} is an exported log already; hint: add --parquet to make a table of it")
    with working(f"exporting the log to {file}"):
        if not parquet:
            count = run_async(log_export.export_log(settings, file))
        else:
            events = replay.read_history(archive) if archive else run_async(log_export.read_events(settings))
            count = write_parquet(file, events)
    print(f"{count} events in {file}")
