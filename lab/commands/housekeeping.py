"""Commands about the lab itself: doctor and config."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from lab.home import Home
from lab.options import ConfigOption, HomeOption, JsonOption, load_settings
from lab.terminal.output import print_json
from lab.terminal.prose import print_line, terminal_width
from lab.terminal.working import working

POSITION = 80
NARROW_WIDTH = 80
"""Width of a terminal below which names do not stand in a column of their own."""
MAX_VALUE_WIDTH = 40
"""Width of the column of values; a longer one, such as the goal, pushes its source to the right."""

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
        narrow = (terminal_width() or NARROW_WIDTH) < NARROW_WIDTH
        width = 0 if narrow else max(len(check.name) for check in checks)
        for check in checks:
            print_line(f"{'ok  ' if check.good else 'FAIL'}  {check.name:<{width}}  ", check.evidence)
            if not check.good:
                print_line(f"      {'':<{width}}  ", f"→ {check.remedy}")
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
    _print_settings({name: (str(row["value"]), row["from"]) for name, row in rows.items()})


def _print_settings(rows: dict[str, tuple[str, str]]) -> None:
    """Print settings with value and source, in columns where there is room for them."""
    names = max(map(len, rows))
    values = min(max(len(value) for value, _ in rows.values()), MAX_VALUE_WIDTH)
    sources = max(len(source) for _, source in rows.values())
    width = terminal_width()
    for name, (value, source) in rows.items():
        if width is None or names + values + sources + 4 <= width:
            print_line(f"{name:<{names}}  ", f"{value:<{values}}  {source}")
        else:
            print_line(f"{name} ", f"= {value} ({source})")


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value by its dotted name; an empty table is a value."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
