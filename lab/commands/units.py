"""The commands about units of the grammar: effects, formulas."""

import sys
from typing import Annotated, Any

import typer

from lab.options import AtOption, JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json_lines

POSITION = 21

app = typer.Typer()


@app.command()
@with_settings
def effects(
    settings: Settings,
    decided: Annotated[bool, typer.Option("--decided", help="Only those whose interval excludes 0.")] = False,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what each unit of the designs is worth, judging by the whole campaign.

    An effect is the expected gain in the objective, in standard deviations of seed noise, over what the campaign's
    designs have in the unit's place on average. Its interval holds 95 %. A few of a hundred exclude 0 by chance.

    Example: move37 effects --decided
    """
    from lab.client.session import open_lab
    from lab.terminal import tables

    async def ask() -> Any:
        async with open_lab(settings) as reader:
            return await (await reader.as_of(at)).unit_effects()

    found = run_async(ask())
    rows = found.decided() if decided else found.rows
    if as_json:
        print_json_lines(row.model_dump(mode="json") | {"verdict": row.verdict} for row in rows)
    elif rows:
        tables.print_effects(rows)
    else:
        print(f"no {'decided ' * decided}effects of units after {found.analysed} analyses", file=sys.stderr)


@app.command()
@with_settings
def formulas(settings: Settings, at: AtOption = None, as_json: JsonOption = False) -> None:
    """List the formulas that the campaign put into other designs, and those that became units.

    A gain is the objective of a design with the formula less that of the same design without it, in standard deviations
    of seed noise. A formula whose gains are evident is coined: the search then draws it as a unit.

    Example: move37 formulas
    """
    from lab.client.session import open_lab
    from lab.terminal import tables

    async def ask() -> Any:
        async with open_lab(settings) as reader:
            return await (await reader.as_of(at)).formulas()

    found = run_async(ask())
    rows = [row for row in found.rows if row.made or row.coined]
    if as_json:
        print_json_lines(row.model_dump(mode="json", exclude={"sources"}) for row in rows)
    elif rows:
        tables.print_formulas(rows)
    else:
        print(f"none of {len(found.rows)} formulas was put into another design yet", file=sys.stderr)
