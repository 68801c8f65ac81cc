"""Commands that keep a lab for months: backup, restore, archive."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lab.errors import WrongUsage
from lab.options import JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json
from lab.terminal.working import working

POSITION = 75

app = typer.Typer()


@app.command()
@with_settings
def backup(
    settings: Settings,
    target: Annotated[Path, typer.Argument(help="New folder, or a new file whose name ends with .tar.")],
    keys: Annotated[bool, typer.Option("--keys", help="Include the secret keys of the home.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Back up a lab, running or stopped.

    Log, traces, dead letters and inboxes, the places of the consumers, weights and checkpoints. Memory is left out: it
    is made from the log.

    Example: move37 backup lab1.tar --home lab1
    """
    from lab.operations import backup as backups

    with working(f"backing up to {target}"):
        summary = run_async(backups.back_up(settings, target, keys=keys))
    if as_json:
        print_json(asdict(summary))
    else:
        print(f"{target} holds {summary.events} events of the log and {summary.weights} files of artifacts")


@app.command()
@with_settings
def restore(
    settings: Settings,
    source: Annotated[Path, typer.Argument(help="A folder or file that `move37 backup` wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Restore a backup to an empty home.

    With --nats the streams go to that server, which must have none of the lab's streams.

    Example: move37 restore lab1.tar --home lab2
    """
    from lab.operations import restore as restoring

    with working(f"restoring {source}"):
        summary = run_async(restoring.restore(settings, source))
    if as_json:
        print_json(asdict(summary))
        return
    print(f"{summary.home} holds {summary.events} events, {summary.verified} of them verified, of {summary.campaign}")
    if summary.server:
        print("hint: restart that NATS server once before the lab runs; then it drops repeated messages as before")
    else:
        print(f"hint: move37 run --home {summary.home} continues the campaign")


@app.command()
@with_settings
def archive(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="New file for the campaign: one CloudEvent a line.")],
    as_json: JsonOption = False,
) -> None:
    """Take the ended campaign that --campaign names out of the log into a file.

    The file can be replayed and verified as an exported log, and read: move37 experiments --log FILE. Other
    campaigns go on.

    Example: move37 archive nano-0.jsonl --campaign nano-0-c16f
    """
    from lab.operations import archive as archives

    if not settings.campaign:
        raise WrongUsage("archive needs --campaign; hint: move37 campaigns lists the ids")
    with working(f"archiving to {file}"):
        summary = run_async(archives.archive(settings, file))
    if as_json:
        print_json(asdict(summary))
    else:
        print(f"{summary.file} holds {summary.events} events of {summary.campaign}, up to {summary.digest}")
