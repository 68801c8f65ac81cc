"""Commands that try one architecture without a lab: check, train."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lab.commands.options import ConfigOption, JsonOption, load
from lab.errors import LabError
from lab.terminal.output import print_json

FileArgument = Annotated[Path, typer.Argument(help="A Python file with one token mixer.")]
ScaleOption = Annotated[str | None, typer.Option("--scale", help="Rung of the ladder of scales.")]
SandboxOption = Annotated[str | None, typer.Option("--sandbox", help="bwrap, or none (unconfined).")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(check)
    app.command()(train)


def check(
    file: FileArgument,
    scale: ScaleOption = None,
    sandbox: SandboxOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check an architecture: the static check, then every gate in the jail. Exit code 0 only where it passed.

    Example: move37 check mixer.py
    """
    from lab.operations import standalone

    settings = load(config, scale=scale, sandbox=sandbox).settings
    return _tell(_mendable(standalone.check, file, settings), as_json=as_json)


def train(
    file: FileArgument,
    scale: ScaleOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, data and tasks.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Your own text: a file or folder of text, JSONL or Parquet.")
    ] = None,
    sandbox: SandboxOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check, train and score an architecture, as the lab would. Exit code 0 only where it passed.

    Example: move37 train mixer.py --scale nano --seed 1 --json
    """
    from lab.operations import standalone

    settings = load(config, scale=scale, seed=seed, data=data, sandbox=sandbox).settings
    return _tell(_mendable(standalone.train, file, settings), as_json=as_json)


def _mendable(work: Any, file: Path, settings: Any) -> dict[str, Any]:
    """Run the work; a user's mistake becomes one line."""
    try:
        return work(file, settings)
    except ValueError as error:
        raise LabError(str(error)) from None


def _tell(verdict: dict[str, Any], *, as_json: bool) -> int:
    """Print a verdict and return the exit code."""
    if as_json:
        print_json(verdict)
    else:
        for name, value in verdict.items():
            _print_item(name, value)
    return 0 if verdict["verdict"] == "passed" else 1


def _print_item(name: str, value: Any) -> None:
    """Print one figure, or one line a gate."""
    if isinstance(value, list):
        for item in value:
            print(f"  {item}")
    elif value not in (None, ""):
        print(f"{name:<14} {value:.4f}" if isinstance(value, float) else f"{name:<14} {value}")
