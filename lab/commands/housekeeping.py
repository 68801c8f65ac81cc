"""Commands about the lab itself: doctor and config."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from lab.home import Home
from lab.options import ConfigOption, HomeOption, JsonOption, load_settings
from lab.terminal.output import print_json
from lab.terminal.working import working

POSITION = 80

app = typer.Typer()


@app.command()
def doctor(
    home: HomeOption = None,
    config: ConfigOption = None,
    llm: Annotated[bool, typer.Option("--llm", help="Ask every model of every agent, and say what it can do.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Check that this machine can run a lab.

    Checks the sandbox, the server, packages, disk space and the model. Exit code 0 if every check passes.

    Example: move37 doctor --llm
    """
    from lab.operations import doctor as health

    settings = load_settings(config, home=home).settings
    with working("checking this machine"):
        checks = health.run_checks(settings, Home(settings.home), ask_models=llm)
    if as_json:
        print_json([check.as_json() for check in checks])
    else:
        for check in checks:
            print(f"{'ok  ' if check.good else 'FAIL'}  {check.name:<12} {check.evidence}")
            if not check.good:
                print(f"      {'':<12} → {check.remedy}")
    return 0 if all(check.good for check in checks) else 1


@app.command()
def config(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the settings in force and where each value came from.

    Example: MOVE37_TRAINERS=4 move37 config
    """
    loaded = load_settings(config, home=home)
    rows = {
        name: {"value": value, "from": loaded.origins.get(name, "default")}
        for name, value in _leaves(loaded.settings.model_dump(mode="json"))
    }
    if as_json:
        print_json(rows)
        return
    for name, row in rows.items():
        print(f"{name:<18} {row['value']!s:<40} {row['from']}")


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value by its dotted name; an empty table is a value."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
