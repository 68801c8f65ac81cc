"""Commands on exported logs of several searches: law and compare."""

from pathlib import Path
from typing import Annotated

import typer

from lab.errors import WrongUsage
from lab.options import JsonOption
from lab.terminal.output import print_json
from lab.terminal.working import working

POSITION = 32

app = typer.Typer()


@app.command()
def law(
    logs: Annotated[list[Path], typer.Argument(help="Logs written by `move37 export-log`.", metavar="LOG...")],
    as_json: JsonOption = False,
) -> None:
    """Tell how discoveries grow with cost: slower, linear or faster, arm by arm.

    Logs of several seeds are pooled by arm. Needs no running lab.

    Example: move37 law guided-0.jsonl guided-1.jsonl random-0.jsonl
    """
    from lab.client import law as laws
    from lab.client.trajectories import trajectories
    from lab.operations import replay

    with working("reading the logs"):
        searches = [search for log in logs for search in trajectories(replay.read_history(log), log.name)]
        report = laws.law_report(searches)
    if as_json:
        print_json(report)
        return
    for line in laws.law_lines(report):
        print(line)


@app.command()
def compare(
    logs: Annotated[list[Path], typer.Argument(help="Pairs of logs: an original, then its fork.", metavar="LOG...")],
    as_json: JsonOption = False,
) -> None:
    """Tell what the change of a fork did, from pairs of logs: original, fork, original, fork ...

    Give one pair per seed of the fork: the interval is over pairs. What both logs of a pair share is left out.

    Example: move37 compare campaign.jsonl fork.jsonl
    """
    from lab.operations import compare as comparisons
    from lab.operations import replay

    if len(logs) % 2:
        raise WrongUsage(f"{len(logs)} logs given; hint: each original is followed by its fork")
    with working("reading the logs"):
        histories = [replay.read_history(log) for log in logs]
        report = comparisons.compare(list(zip(histories[::2], histories[1::2], strict=True)))
    if as_json:
        print_json(report)
        return
    for line in comparisons.comparison_lines(report):
        print(line)
