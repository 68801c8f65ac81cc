"""Commands for the tools that watch a lab: metrics for Prometheus, traces for OpenTelemetry."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from lab.commands.options import ConfigOption, HomeOption, NatsOption, PlaintextOption, load
from lab.commands.options import run as run_async
from lab.terminal.output import print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(metrics)
    app.command()(traces)


def metrics(
    port: Annotated[int, typer.Option(help="Answer scrapes on this port; 0 prints once.", min=0, max=65535)] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
) -> None:
    """Tell Prometheus how every service is doing: lag, in flight, done, failed.

    Example: move37 metrics --port 9137
    """
    from lab.observability import metrics as telling

    settings = load(config, home=home, nats=nats, allow_plaintext=plaintext).settings
    if not port:
        print(telling.text(telling.registry(settings)), end="")
        return
    with contextlib.suppress(KeyboardInterrupt):
        telling.serve(settings, host, port)


def traces(
    file: Annotated[Path | None, typer.Argument(help="A log that was exported; none for the lab's own.")] = None,
    send: Annotated[bool, typer.Option(help="Hand them to the collector at OTEL_EXPORTER_OTLP_ENDPOINT.")] = False,
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the log as OpenTelemetry spans (OTLP, JSON): an experiment's life is one trace.

    Example: move37 traces campaign.jsonl > otlp.json
    """
    from lab.observability import traces as telling
    from lab.operations import log_export, replay

    settings = load(config, home=home, nats=nats, allow_plaintext=plaintext).settings
    found = telling.spans(replay.read_history(file) if file else run_async(log_export.events(settings)))
    if send:
        print(f"{len(found)} spans sent to {telling.send(found)}")
    else:
        print_json(telling.otlp(found))
