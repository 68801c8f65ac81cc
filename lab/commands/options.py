"""Options that several commands share, and how they become settings."""

import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from lab.home import Home
from lab.settings import LoadedSettings

T = TypeVar("T")

HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder that holds everything the lab writes.")]
NatsOption = Annotated[str | None, typer.Option("--nats", help="URL of a NATS server that is already there.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file (default: lab.toml, if there).")]
PlaintextOption = Annotated[
    bool | None,
    typer.Option(
        "--allow-plaintext", help="Talk to a server on another host without encryption: on a private network."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load(config: Path | None = None, **given: Any) -> LoadedSettings:
    """Return the settings in force; NATS_URL stands in for `--nats`. Raises LabError."""
    import os

    loaded = LoadedSettings.load(given, config)
    if loaded.settings.nats is None and os.environ.get("NATS_URL"):
        loaded = LoadedSettings.load({**given, "nats": os.environ["NATS_URL"]}, config)
        loaded.origins["nats"] = "NATS_URL"
    return loaded


def home_of(loaded: LoadedSettings) -> Home:
    """Return the home in force."""
    return Home(loaded.settings.home)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work to its end; a command logs only what went wrong, a service sets up more before."""
    import asyncio

    import structlog

    from lab.observability import logs

    if not structlog.is_configured():
        logs.configure(logging.WARNING)

    return asyncio.run(work)
