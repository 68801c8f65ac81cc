"""The command that starts a new home from a log up to a position, and may change it and let it run."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lab.errors import WrongUsage
from lab.home import Home
from lab.options import ConfigOption, JsonOption, PatienceOption, load_settings, policy_setting, run_async
from lab.settings import Settings
from lab.terminal.output import print_json
from lab.terminal.working import working

if TYPE_CHECKING:
    from lab.operations.fork import ForkSummary
    from lab.runtime.fork_changes import ForkChanges

POSITION = 31
PolicyOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="Search policy from there on; it begins without a state."),
]
SeedOption = Annotated[
    int | None,
    typer.Option(help="Seed of the draws of the search from there on; trainings keep theirs.", min=0, max=2**63 - 1),
]
ModelsOption = Annotated[
    Literal["settings", "none"] | None,
    typer.Option(help="Language models from there on: those of the settings, or none."),
]

app = typer.Typer()


@app.command()
def fork(
    log: Annotated[Path, typer.Argument(help="A log written by `move37 export-log`, or a home.")],
    at: Annotated[int, typer.Option("--at", help="Last position of the log that the fork keeps.", min=1)],
    home: Annotated[Path, typer.Option("--home", help="New folder for the fork.")],
    say: Annotated[str, typer.Option("--say", help="What to tell the lab there, as `move37 say` would.")] = "",
    policy: PolicyOption = None,
    seed: SeedOption = None,
    models: ModelsOption = None,
    run: Annotated[bool, typer.Option("--run", help="Let the fork run, as `move37 run` would.")] = False,
    experiments: Annotated[
        int | None, typer.Option(help="With --run: experiments of the fork (default: as in the log).")
    ] = None,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="With --run: show it in a browser.")] = False,
    patience: PatienceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Start a new home from a log up to a position.

    The campaign continues from there when it runs, with a message, another budget, another search policy, seed of the
    search or language models if you give one. Seeds of trainings and the verification plan stay.

    Example: move37 fork campaign.jsonl --at 120 --home whatif --say "use the delta rule" --run
    """
    from lab.operations import running
    from lab.runtime.fork_changes import ForkChanges

    if not run and (dashboard or experiments is not None):
        raise WrongUsage("--experiments or --dashboard without --run; hint: add --run")
    policy = policy_setting(policy)
    loaded = load_settings(config, home=home, patience=patience, experiments=experiments, policy=policy).settings
    settings = loaded.model_copy(update={"nats": None, "nkey_file": None})  # a fork has a server and keys of its own
    summary = _fork(settings, log, at, say, ForkChanges(policy, seed, models))
    if run:
        return running.run_lab(settings, dashboard=dashboard, as_json=as_json)
    _print_summary(home, summary, said=bool(say), as_json=as_json)
    return 0


def _fork(settings: Settings, log: Path, at: int, say: str, changes: "ForkChanges") -> "ForkSummary":
    """Start the home that the settings name. Raises LabError, before anything is written if the desk would refuse."""
    from lab.client import human_input
    from lab.operations import fork as forks

    if say:
        human_input.kind_of({"text": say})
    with working(f"forking {log}"):
        return run_async(forks.fork(settings, log, at, Home(settings.home), say, changes))


def _print_summary(home: Path, summary: "ForkSummary", *, said: bool, as_json: bool) -> None:
    """Print what a new home holds, and what comes next."""
    if as_json:
        print_json({"home": str(home), **asdict(summary)})
        return
    unfinished = ", ".join(f"{role} {count}" for role, count in summary.under_way.items() if count) or "none"
    print(f"{home} holds {summary.events} events of {summary.campaign}; unfinished decisions: {unfinished}")
    if summary.changes:
        print("from there on: " + ", ".join(f"{name} {value}" for name, value in summary.changes.items()))
    steer = "" if said else f"steer it with `move37 say --home {home} TEXT`, then "
    print(f"hint: {steer}`move37 run --home {home}`")
