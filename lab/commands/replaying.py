"""Commands that look back at an exported log: replay it as a story, into a fresh memory, or through one role."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lab.commands.options import JsonOption, load
from lab.commands.options import run as run_async
from lab.errors import WrongUsage
from lab.home import Home
from lab.terminal.output import print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(replay)
    app.command()(fork)


def replay(
    file: Annotated[Path, typer.Argument(help="A log written by `move37 export-log`.")],
    view: Annotated[bool, typer.Option("--view", help="Tell the log as a story (the default).")] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Project it into a fresh memory; print the digest.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare it with the hashes in the file beside it.")] = False,
    agent: Annotated[str | None, typer.Option("--agent", help="Decide again as this role and compare.")] = None,
    first: Annotated[int, typer.Option("--from", help="First position.", min=1)] = 1,
    last: Annotated[int, typer.Option("--to", help="Last position; 0 for the end.", min=0)] = 0,
    experiment: Annotated[str | None, typer.Option(help="Only this experiment (with --view).")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only this type of event (with --view).")] = None,
    role: Annotated[str | None, typer.Option(help="Only what this role said (with --view).")] = None,
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter after each event.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Look back at a log with nothing else running. Exit code 1 where --agent or --verify finds a difference.

    Example: move37 replay campaign.jsonl --agent engineer
    """
    from lab.operations import replay as replays
    from lab.operations import verify as verification

    if sum((view, rebuild, verify, agent is not None)) > 1:
        raise WrongUsage("give one of --view, --rebuild, --verify and --agent")
    if verify:
        return verification.print_check(verification.verify_export(file), as_json=as_json)
    history = replays.read_history(file, first, last)
    if rebuild:
        return _rebuilt(replays.rebuild(history), as_json=as_json)
    if agent:
        return replays.replay_and_report(agent, history, file, first, last, step=step, as_json=as_json)
    replays.print_story(history, replays.EventFilter(experiment, kind, role, first), step=step, as_json=as_json)
    return 0


def fork(
    log: Annotated[Path, typer.Argument(help="A log written by `move37 export-log`, or a home.")],
    at: Annotated[int, typer.Option("--at", help="Last position of the log that the fork has.", min=1)],
    home: Annotated[Path, typer.Option("--home", help="New folder for the fork.")],
    as_json: JsonOption = False,
) -> None:
    """Begin a new home from a past log up to a position, to go on from there otherwise.

    Example: move37 fork campaign.jsonl --at 120 --home whatif
    """
    from lab.operations import fork as forks

    place = Home(home)
    forked = run_async(forks.fork(load(home=home).settings, log, at, place))
    if as_json:
        print_json({"home": str(home), **asdict(forked)})
        return
    left = ", ".join(f"{role} {count}" for role, count in forked.under_way.items() if count) or "nothing"
    print(
        f"{home} holds {forked.events} events of {forked.campaign}; in hand: {left}\n"
        f"go on with `move37 run --home {home}`, after a word to it with `move37 say --home {home} ...` if you like"
    )


def _rebuilt(result: dict[str, object], *, as_json: bool) -> int:
    """Print what a fresh memory holds."""
    if as_json:
        print_json(result)
    else:
        print("\n".join(f"{name:<12} {value}" for name, value in result.items()))
    return 0
