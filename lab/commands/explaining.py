"""The commands that explain from the log alone: why, evidence."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bus.wire.envelope import Envelope
from lab.errors import LabError
from lab.options import AtOption, JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json, print_json_lines
from lab.terminal.prose import print_line

POSITION = 25

LogOption = Annotated[Path | None, typer.Option("--log", help="An exported log (default: the lab's own log).")]

app = typer.Typer()


@app.command()
@with_settings
def why(
    settings: Settings,
    experiment: Annotated[str, typer.Argument(help="An experiment, such as e0007.")],
    log: LogOption = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell why an experiment came out as it did, from the log alone.

    Each line begins with the position in the log that shows it.

    Example: move37 why e0007
    """
    from lab.operations.why import explain

    lines = explain(_history(settings, log, at), experiment, settings.campaign)
    if as_json:
        print_json_lines(line._asdict() for line in lines)
        return
    for line in lines:
        print_line(f"{line.seq:>6}  {line.topic:<10}  ", line.text)


@app.command()
@with_settings
def evidence(
    settings: Settings,
    experiment: Annotated[str, typer.Argument(help="A candidate, such as e0007; without one, all are listed.")] = "",
    log: LogOption = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the evidence for a claimed discovery, from the log alone.

    Every figure has the position of its event in the log. At the end are the commands that repeat a run. Without an
    experiment, a row for each candidate: its newest look, against the baseline that is hardest to beat.

    Example: move37 evidence e0007
    """
    from lab.operations.evidence import stories, story_of, summary_row
    from lab.operations.evidence_text import as_json as claim_as_json
    from lab.operations.evidence_text import evidence_lines
    from lab.terminal.tables import print_claims

    history = _history(settings, log, at)
    if not experiment:
        rows = [summary_row(story) for story in stories(history, settings.campaign)]
        if as_json:
            print_json_lines(rows)
        elif rows:
            print_claims(rows)
        else:
            print("no candidate has begun to climb yet", file=sys.stderr)
        return
    story = story_of(history, experiment, settings.campaign)
    if as_json:
        print_json(claim_as_json(story))
        return
    for line in evidence_lines(story):
        print_line(line)


def _history(settings: Settings, log: Path | None, at: int | None) -> Sequence[Envelope]:
    """Return the events of the lab's log, or of an exported one, up to a position. Raises LabError."""
    from lab.operations import log_export, replay

    history = replay.read_history(log) if log else run_async(log_export.read_events(settings))
    if at and at > (end := history[-1].seq if history else 0):
        raise LabError(f"the log has no position {at} yet; hint: its last position is {end}")
    return [envelope for envelope in history if not at or envelope.seq <= at]
