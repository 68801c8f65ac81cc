"""Commands on the logs of several searches: law and compare."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.errors import WrongUsage
from lab.options import JsonOption, lab_settings, run_async
from lab.terminal.output import print_json
from lab.terminal.prose import print_line
from lab.terminal.working import working

if TYPE_CHECKING:
    from bus.wire.envelope import Envelope

POSITION = 32
LOG_HELP = "logs written by `move37 export-log`, or homes"

app = typer.Typer()


@app.command()
def law(
    logs: Annotated[list[Path], typer.Argument(help=f"{LOG_HELP.capitalize()}.", metavar="LOG...")],
    as_json: JsonOption = False,
) -> None:
    """Tell how discoveries grow with cost: slower, linear or faster, arm by arm.

    Logs of several seeds are pooled by arm. Needs no running lab.

    Example: move37 law guided-0.jsonl guided-1.jsonl random-0.jsonl
    """
    from lab.client import law as laws
    from lab.client.trajectories import trajectories

    with working("reading the logs"):
        histories = [(log.name, _history(log)) for log in logs]
        laws.check_distinct(histories)
        report = laws.law_report([search for name, history in histories for search in trajectories(history, name)])
    if as_json:
        print_json(report)
        return
    for line in laws.law_lines(report):
        print_line(line)


@app.command()
def compare(
    logs: Annotated[
        list[Path], typer.Argument(help=f"Pairs of an original and its fork: {LOG_HELP}.", metavar="LOG...")
    ],
    as_json: JsonOption = False,
) -> None:
    """Tell what the change of a fork did, from pairs of logs: original, fork, original, fork ...

    Give one pair per seed of the fork: the interval is over pairs. What both logs of a pair share is left out.

    Example: move37 compare lab1 whatif
    """
    from lab.operations import compare as comparisons
    from lab.terminal import tables

    if len(logs) % 2:
        raise WrongUsage(f"{len(logs)} logs given; hint: each original is followed by its fork")
    with working("reading the logs"):
        histories = [_history(log) for log in logs]
        report = comparisons.compare(list(zip(histories[::2], histories[1::2], strict=True)))
    if as_json:
        print_json(report)
        return
    tables.print_comparison(report["figures"])
    if report["pairs"] < 2:
        print_line("one pair has no interval; hint: fork with several seeds and give every pair")


def _history(log: Path) -> "Sequence[Envelope]":
    """Return the events of an exported log, or of a home whose lab runs or has stopped. Raises LabError."""
    from lab.operations import log_export, replay

    if not log.is_dir():
        return replay.read_history(log)
    return run_async(log_export.read_events(lab_settings(home=log).model_copy(update={"nats": None})))
