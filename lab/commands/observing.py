"""Commands for tools that watch a lab: metrics for Prometheus, traces for OpenTelemetry."""

from pathlib import Path
from typing import Annotated

import typer

from lab.options import run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json

POSITION = 40

app = typer.Typer()


@app.command()
@with_settings
def metrics(
    settings: Settings,
    port: Annotated[int, typer.Option(help="Answer scrapes on this port; 0 prints once.", min=0, max=65535)] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Print or serve the services' metrics for Prometheus.

    For every service: lag, work in hand, queue age, durations, uptime; absent roles; disk and GPUs of each host.

    Example: move37 metrics --port 9137
    """
    from lab.observability import metrics as exporter

    if not port:
        print(exporter.text(exporter.registry(settings)), end="")
        return
    exporter.serve(settings, host, port)


@app.command()
@with_settings
def traces(
    settings: Settings,
    file: Annotated[Path | None, typer.Argument(help="An exported log (default: the lab's own log).")] = None,
    send: Annotated[bool, typer.Option(help="Send the spans to the collector at OTEL_EXPORTER_OTLP_ENDPOINT.")] = False,
) -> None:
    """Print the log as OpenTelemetry spans.

    The format is OTLP in JSON. Each experiment is one trace.

    Example: move37 traces campaign.jsonl > otlp.json
    """
    from lab.observability import traces as exporter
    from lab.operations import log_export, replay

    history = replay.read_history(file) if file else run_async(log_export.read_events(settings))
    spans = exporter.spans(history)
    if send:
        print(f"{len(spans)} spans sent to {exporter.send(spans)}")
    else:
        print_json(exporter.otlp(spans))
