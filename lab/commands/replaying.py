"""The command that replays an exported log, or verifies it."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from lab.errors import WrongUsage
from lab.options import ExperimentOption, JsonOption, RoleOption, TypeOption
from lab.terminal.output import print_json
from lab.terminal.working import working

POSITION = 30

app = typer.Typer()


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A log written by `move37 export-log`.")],
    view: Annotated[bool, typer.Option("--view", help="Print the events as lines of text (the default).")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build a new memory from it; print its digest.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare it with the hashes in its .chain file.")] = False,
    agent: Annotated[str | None, typer.Option("--agent", help="Decide again as this role and compare.")] = None,
    first: Annotated[int, typer.Option("--from", help="First position.", min=1)] = 1,
    last: Annotated[int, typer.Option("--to", help="Last position; 0 for the end.", min=0)] = 0,
    experiment: ExperimentOption = None,
    kind: TypeOption = None,
    role: RoleOption = None,
    step: Annotated[bool, typer.Option("--step", help="Show the data of each event, and wait for Enter.")] = False,
    debug: Annotated[bool, typer.Option("--pdb", help="With --agent: stop in each decision.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Replay an exported log: print, verify or decide it again.

    Needs no running lab. Exit code 1 if --agent or --verify finds a difference. With --agent, --step shows what each
    decision read and published; --pdb stops before the handler, with `event` and `state` in scope.

    Example: move37 replay campaign.jsonl --agent engineer
    """
    from lab.operations import replay as replays
    from lab.operations import verify as verification
    from lab.operations.event_filter import EventFilter

    if sum((view, rebuild, verify, agent is not None)) > 1:
        raise WrongUsage("several modes given; hint: give one of --view, --rebuild, --verify and --agent")
    if debug and agent is None:
        raise WrongUsage("--pdb without --agent; hint: name the role whose decisions to stop in")
    if (rebuild or verify) and any((step, experiment, kind, role)):
        raise WrongUsage("--rebuild and --verify take the whole log; hint: leave --step and the filters out")
    if verify:
        return verification.print_check(verification.verify_export(file), as_json=as_json)
    with working(f"reading {file}"):  # what a decision published comes after its event
        history = replays.read_history(file, first, 0 if agent else last)
    if rebuild:
        _print_digest(replays.rebuild(history), as_json=as_json)
    elif agent:
        with nullcontext() if step or debug else working(f"deciding {file} again as {agent}"):
            return replays.replay_and_report(agent, history, file, first, last, step=step, as_json=as_json, debug=debug)
    else:
        event_filter = EventFilter(experiment, kind, role, first=first).check({one.experiment for one in history})
        replays.print_events(history, event_filter, step=step, as_json=as_json)
    return 0


def _print_digest(result: dict[str, object], *, as_json: bool) -> None:
    """Print the digest of a rebuilt memory."""
    if as_json:
        print_json(result)
    else:
        print("\n".join(f"{name:<12} {value}" for name, value in result.items()))
