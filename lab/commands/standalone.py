"""Commands that try one architecture without a lab: check, train."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.errors import LabError
from lab.options import ConfigOption, JsonOption, load_settings
from lab.terminal.output import print_json

POSITION = 60
FileArgument = Annotated[Path, typer.Argument(help="A Python file with one token mixer.")]
ScaleOption = Annotated[str | None, typer.Option("--scale", help="Rung of the ladder of scales.")]
SandboxOption = Annotated[str | None, typer.Option("--sandbox", help="bwrap, or none (unconfined).")]

app = typer.Typer()


@app.command()
def check(
    file: FileArgument,
    scale: ScaleOption = None,
    sandbox: SandboxOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check an architecture: the static check, then every gate.

    The gates run in the sandbox. Exit code 0 only if it passed.

    Example: move37 check mixer.py
    """
    from lab.operations import standalone

    settings = load_settings(config, scale=scale, sandbox=sandbox).settings
    return _print_verdict(_verdict("checking", standalone.check, file, settings), as_json=as_json)


@app.command()
def train(
    file: FileArgument,
    scale: ScaleOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, data and tasks.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Your own text: a file or folder of text, JSONL or Parquet.")
    ] = None,
    sealed: Annotated[bool, typer.Option("--sealed", help="Score on sealed text, to repeat a verification.")] = False,
    rate: Annotated[float, typer.Option(help="Multiple of the scale's learning rates.", min=1e-6, max=1e6)] = 1.0,
    sandbox: SandboxOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check, train and score an architecture, as the lab would.

    Exit code 0 only if it passed.

    Example: move37 train mixer.py --scale nano --seed 1 --json
    """
    from lab.operations import standalone

    settings = load_settings(config, scale=scale, seed=seed, data=data, sandbox=sandbox).settings
    work = partial(standalone.train, sealed=sealed, rate=rate)
    return _print_verdict(_verdict("training", work, file, settings), as_json=as_json)


def _verdict(doing: str, work: Any, file: Path, settings: Any) -> dict[str, Any]:
    """Return the verdict of a check or a training. Raises LabError for a file or a setting that can't be used."""
    from lab.terminal.working import working

    try:
        with working(f"{doing} {file.name} at scale {settings.scale}"):
            return work(file, settings)
    except ValueError as error:
        raise LabError(str(error)) from None


def _print_verdict(verdict: dict[str, Any], *, as_json: bool) -> int:
    """Print a verdict and return the exit code."""
    if as_json:
        print_json(verdict)
    else:
        for name, value in verdict.items():
            _print_item(name, value)
    return 0 if verdict["verdict"] == "passed" else 1


def _print_item(name: str, value: Any) -> None:
    """Print one value of a verdict; a list is printed one item a line."""
    if isinstance(value, list):
        for item in value:
            print(f"  {item}")
    elif value not in (None, ""):
        print(f"{name:<14} {value:.4f}" if isinstance(value, float) else f"{name:<14} {value}")
