"""Commands about the lab itself: doctor, config, and which roles and events there are."""

from typing import Any

import typer

from lab.commands.options import ConfigOption, HomeOption, JsonOption, home_of, load
from lab.terminal.output import print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(doctor)
    app.command()(config)


def doctor(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> int:
    """Check what this machine can give: sandbox, server, packages, disk, model. Exit code 0 where all is well.

    Example: move37 doctor
    """
    from lab.operations import doctor as physician

    loaded = load(config, home=home)
    findings = physician.run_checks(loaded.settings, home_of(loaded))
    if as_json:
        print_json([finding.as_json() for finding in findings])
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.good else 'FAIL'}  {finding.name:<12} {finding.evidence}")
            if not finding.good:
                print(f"      {'':<12} → {finding.remedy}")
    return 0 if all(finding.good for finding in findings) else 1


def config(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the settings in force and where each value came from.

    Example: MOVE37_TRAINERS=4 move37 config
    """
    loaded = load(config, home=home)
    rows = {name: {"value": value, "from": loaded.origins[name]} for name, value in _flat(loaded.settings).items()}
    if as_json:
        print_json(rows)
        return
    for name, row in rows.items():
        print(f"{name:<18} {row['value']!s:<40} {row['from']}")


def _flat(settings: Any) -> dict[str, Any]:
    """Return every setting by its dotted name."""
    values = settings.model_dump(mode="json")
    nested = values.pop("llm")
    return values | {f"llm.{name}": value for name, value in nested.items()}
