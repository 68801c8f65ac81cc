"""Options that several commands share, and how they become settings."""

import logging
import os
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from lab import endings
from lab.settings import LoadedSettings, Settings

T = TypeVar("T")

HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder that holds everything the lab writes.")]
NatsOption = Annotated[str | None, typer.Option("--nats", help="URL of a NATS server that already runs.")]
CampaignOption = Annotated[
    str | None, typer.Option("--campaign", help="A campaign, by its name or id (default: the home's newest).")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file (default: lab.toml if it exists).")]
PlaintextOption = Annotated[
    bool | None,
    typer.Option("--allow-plaintext", help="Allow an unencrypted server on another host: for private networks."),
]
PatienceOption = Annotated[
    float | None, typer.Option("--patience", help="Seconds to wait for the server and for memory's answers.")
]
LogLevelOption = Annotated[
    str | None, typer.Option("--log-level", help="Lowest level that services log: debug, info, warning or error.")
]
AtOption = Annotated[int | None, typer.Option("--at", help="As it was after this position of the log.", min=1)]
ExperimentOption = Annotated[str | None, typer.Option("--experiment", help="Only events of this experiment.")]
TypeOption = Annotated[str | None, typer.Option("--type", help="Only events of this type.")]
RoleOption = Annotated[str | None, typer.Option("--role", help="Only events of this role.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load_settings(config: Path | None = None, **options: Any) -> LoadedSettings:
    """Return the settings in force; NATS_URL stands in for `--nats`. Raises LabError."""
    loaded = LoadedSettings.load(options, config)
    if loaded.settings.nats is None and os.environ.get("NATS_URL"):
        loaded = LoadedSettings.load({**options, "nats": os.environ["NATS_URL"]}, config)
        loaded.origins["nats"] = "NATS_URL"
    return loaded


def policy_setting(given: str | None) -> str | None:
    """Return the setting that a person's `--policy` means: a name, or a file's whole path, which the home records."""
    from lab.runtime.researcher import is_file

    return str(Path(given).resolve()) if given and is_file(given) else given


def lab_settings(
    home: HomeOption = None,
    campaign: CampaignOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    patience: PatienceOption = None,
    config: ConfigOption = None,
) -> Settings:
    """Return the settings of the lab that the options name. Raises LabError."""
    return load_settings(
        config, home=home, campaign=campaign, nats=nats, allow_plaintext=plaintext, patience=patience
    ).settings


def with_settings(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command the options of `lab_settings`, and pass it the settings as its first argument.

    Typer reads a command's options from its signature, so the returned function has the signature of both.
    """
    shared = signature(lab_settings, eval_str=True).parameters
    _, *own = signature(command, eval_str=True).parameters.values()
    parameters = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in (*own, *shared.values())]

    @wraps(command)
    def run(**values: Any) -> T:
        settings = lab_settings(**{name: values.pop(name) for name in shared})
        return command(settings, **values)

    run.__annotations__ = {one.name: one.annotation for one in parameters}
    vars(run)["__signature__"] = Signature(parameters)
    return run


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work to its end; logs show warnings only, unless a service has configured them.

    A signal cancels the work, which has time to clean up, and ends the command (`lab.endings`).
    """
    import asyncio

    import structlog

    from lab.cancel_and_wait import run_until
    from lab.observability import logs

    if not structlog.is_configured():
        logs.configure(logging.WARNING)

    async def run() -> T:
        asked, loop = asyncio.Event(), asyncio.get_running_loop()
        with endings.listening(lambda: loop.call_soon_threadsafe(asked.set)):
            return await run_until(work, asked)

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise SystemExit(endings.exit_code()) from None
