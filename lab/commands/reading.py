"""Commands that read a lab, running or stopped: experiments, show, diff, best, events, status, report, export."""

import contextlib
import difflib
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.commands.options import ConfigOption, HomeOption, JsonOption, NatsOption, PlaintextOption, home_of, load
from lab.commands.options import run as run_async
from lab.errors import LabError
from lab.settings import Settings
from lab.terminal.output import print_json, print_json_lines

IdArgument = Annotated[str, typer.Argument(help="An experiment, such as e0003.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (experiments, show, diff, best, events, status, report, export):
        app.command()(command)
    app.command("export-log")(export_log)


def experiments(
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every experiment.

    Example: move37 experiments --json | jq -r 'select(.status == "failed") | .id'
    """
    from lab.terminal import tables

    rows = _ask(_settings(config, home, nats, plaintext))
    if as_json:
        print_json_lines(tables.short(row) for row in rows)
    else:
        tables.print_experiments(rows)


def best(
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 10,
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the best experiments by fitness (a screening score, one seed).

    Example: move37 best -n 3
    """
    from lab.terminal import tables

    scored = [row for row in _ask(_settings(config, home, nats, plaintext)) if row.fitness is not None]
    rows = sorted(scored, key=lambda row: -(row.fitness or 0.0))[:count]
    if as_json:
        print_json_lines(tables.short(row) for row in rows)
    elif rows:
        tables.print_experiments(rows)
    else:
        print("no experiment has been analysed yet", file=sys.stderr)


def show(
    experiment: IdArgument,
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one experiment: its reason, its scores, its failures and its source.

    Example: move37 show e0003
    """
    from lab.terminal import tables

    row = _one(_settings(config, home, nats, plaintext), experiment)
    if as_json:
        print_json(tables.short(row) | row.model_dump(mode="json"))
    else:
        tables.print_experiment(row)


def diff(
    first: IdArgument,
    second: IdArgument,
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
) -> None:
    """Compare the sources of two experiments.

    Example: move37 diff base-deltanet e0003
    """
    one, two = (_one(_settings(config, home, nats, plaintext), name) for name in (first, second))
    lines = difflib.unified_diff(
        one.source.splitlines(), two.source.splitlines(), f"{one.id} {one.name}", f"{two.id} {two.name}", lineterm=""
    )
    print("\n".join(lines))


def export(
    experiment: IdArgument,
    folder: Annotated[Path, typer.Option("--to", help="Folder to write into.")] = Path(),
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
) -> None:
    """Write an experiment's source, record and trained weights to a folder.

    Example: move37 export e0003 --to exported
    """
    import shutil

    from lab.terminal import tables

    row = _one(_settings(config, home, nats, plaintext), experiment)
    target = folder / row.id
    target.mkdir(parents=True, exist_ok=True)
    (target / "mixer.py").write_text(row.source)
    (target / "record.json").write_text(json.dumps(tables.short(row) | row.model_dump(mode="json"), indent=1))
    artifacts = home_of(load(config, home=home)).artifacts
    for weights in sorted((artifacts / row.id).glob("*.safetensors")):
        shutil.copy2(weights, target)
    print(target)


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the log with the hashes noted as it came.")] = False,
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """List the log's events, one a line; with --json as CloudEvents. With --verify, exit code 1 where one has changed.

    Example: move37 events --follow --json | jq -c '{type, subject}'
    """
    from lab.operations import log_export
    from lab.operations import verify as verification

    settings = _settings(config, home, nats, plaintext)
    if verify:
        return verification.print_check(run_async(verification.verify_lab(settings)), as_json=as_json)
    with contextlib.suppress(KeyboardInterrupt):
        run_async(log_export.list_events(settings, follow=follow, as_json=as_json))
    return 0


def export_log(
    file: Annotated[Path, typer.Argument(help="Where to write: one CloudEvent a line.")],
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the whole log to a file, byte for byte what the stream holds.

    Example: move37 export-log campaign.jsonl
    """
    from lab.operations import log_export

    count = run_async(log_export.export_log(_settings(config, home, nats, plaintext), file))
    print(f"{count} events in {file}")


def status(
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where the campaign stands.

    Example: move37 status --json | jq .last_seq
    """
    from lab.operations import log_export
    from lab.terminal import tables

    settings = _settings(config, home, nats, plaintext)
    state = run_async(log_export.status(settings))
    if as_json:
        print_json(state)
    else:
        tables.print_status(state)


def report(
    home: HomeOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write (default: report.html in the home).")
    ] = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the report page and print where it is.

    Example: move37 report --out report.html
    """
    from lab.operations import log_export

    loaded = load(config, home=home, nats=nats, allow_plaintext=plaintext)
    print(run_async(log_export.report(loaded.settings, out or home_of(loaded).report)).resolve())


def _settings(config: Path | None, home: Path | None, nats: str | None, plaintext: bool | None) -> Settings:
    """Return the settings of the lab that the options name."""
    return load(config, home=home, nats=nats, allow_plaintext=plaintext).settings


def _ask(settings: Settings, *ids: str) -> tuple[Any, ...]:
    """Return experiments of the lab that the options name."""
    from lab.client.session import open_lab

    async def ask() -> tuple[Any, ...]:
        async with open_lab(settings) as reader:
            return await reader.experiments(*ids)

    return run_async(ask())


def _one(settings: Settings, experiment: str) -> Any:
    """Return one experiment in full. Raises LabError where there is none of that name."""
    rows = _ask(settings, experiment)
    if not rows:
        raise LabError(f"no experiment {experiment!r}; `move37 experiments` lists them")
    return rows[0]
