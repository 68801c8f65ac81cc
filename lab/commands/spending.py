"""The command that shows what language models took: cost."""

from typing import Annotated, Any, cast

import typer

from bus.vocabulary.queries import AskSpending, Spending, SpendingKey, SpendingRow
from lab.errors import WrongUsage
from lab.options import AtOption, JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json

POSITION = 26
KEYS = ("agent", "purpose", "model", "experiment")

app = typer.Typer()


@app.command()
@with_settings
def cost(
    settings: Settings,
    by: Annotated[str, typer.Option(help=f"What to sum by, separated by commas: {', '.join(KEYS)}.")] = "agent,model",
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what language models took: questions, answers, tokens, cost.

    Costs are in the currency of [llm.prices]; a model without a price is counted in tokens alone.

    Example: move37 cost --by experiment
    """
    from lab.terminal import tables

    keys = tuple(key.strip() for key in by.split(",") if key.strip())
    if unknown := [key for key in keys if key not in KEYS]:
        raise WrongUsage(f"--by {by}: there is no {unknown[0]!r}; hint: choose of {', '.join(KEYS)}")
    spending = run_async(_ask(settings, cast("tuple[SpendingKey, ...]", keys), at))
    if as_json:
        print_json(_as_json(spending))
    elif spending.rows:
        tables.print_spending(spending.rows, keys)
    else:
        print("no model was asked")


async def _ask(settings: Settings, keys: tuple[SpendingKey, ...], at: int | None) -> Spending:
    """Return what memory answers."""
    from lab.client.session import open_lab

    async with open_lab(settings) as lab:
        reader = await lab.as_of(at)
        reply = await reader.bus.ask(AskSpending(campaign=reader.campaign, at=reader.at, by=keys), reader.patience)
        assert isinstance(reply, Spending)
        return reply


def _as_json(spending: Spending) -> dict[str, Any]:
    """Return the rows, their sum and the limits."""
    figures = ("asked", "answered", "requests", "tokens_in", "tokens_out", "cost", "unpriced")
    return {
        "rows": [row.model_dump(mode="json") for row in spending.rows],
        "total": {name: _total(spending.rows, name) for name in figures},
        "limits": spending.limits.model_dump(mode="json") if spending.limits else None,
    }


def _total(rows: tuple[SpendingRow, ...], name: str) -> float:
    return round(sum(getattr(row, name) for row in rows), 9)
