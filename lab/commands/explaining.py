"""The command that explains one experiment from the log: why."""

from pathlib import Path
from typing import Annotated

import typer

from lab.errors import LabError
from lab.options import AtOption, JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json_lines

POSITION = 25

app = typer.Typer()


@app.command()
@with_settings
def why(
    settings: Settings,
    experiment: Annotated[str, typer.Argument(help="An experiment, such as e0007.")],
    log: Annotated[Path | None, typer.Option("--log", help="An exported log (default: the lab's own log).")] = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell why an experiment came out as it did, from the log alone.

    Each line begins with the position in the log that shows it.

    Example: move37 why e0007
    """
    from lab.operations import log_export, replay
    from lab.operations.why import explain

    history = replay.read_history(log) if log else run_async(log_export.read_events(settings))
    if at and at > (end := history[-1].seq if history else 0):
        raise LabError(f"the log has no position {at} yet; hint: its last position is {end}")
    lines = explain([envelope for envelope in history if not at or envelope.seq <= at], experiment, settings.campaign)
    if as_json:
        print_json_lines(line._asdict() for line in lines)
        return
    for line in lines:
        print(f"{line.seq:>6}  {line.topic:<10}  {line.text}")
