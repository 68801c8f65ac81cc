"""The command `campaigns`: the campaigns that a log holds."""

from typing import Any

import typer

from bus.vocabulary.queries import CampaignStatus
from lab.options import JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json_lines

POSITION = 15

app = typer.Typer()


@app.command()
@with_settings
def campaigns(settings: Settings, as_json: JsonOption = False) -> None:
    """List the campaigns of a lab, oldest first.

    Every other command takes one of them as --campaign, by its id or its name.

    Example: move37 campaigns --json | jq -r .campaign
    """
    from lab.terminal import tables

    rows = [_row(status) for status in run_async(_read(settings))]
    if as_json:
        print_json_lines(rows)
    else:
        tables.print_rows(rows)


async def _read(settings: Settings) -> tuple[CampaignStatus, ...]:
    from lab.client.session import open_lab

    async with open_lab(settings.model_copy(update={"campaign": ""})) as reader:
        return await reader.campaigns()


def _row(status: CampaignStatus) -> dict[str, Any]:
    """Return a campaign's row; its experiments include the baselines and people's."""
    started = status.started
    assert started is not None
    return {
        "campaign": status.campaign,
        "owner": started.owner,
        "scale": started.scale,
        "seed": started.seed,
        "policy": started.policy,
        "state": status.state,
        "ended": status.ended,
        "total": status.total,
        "best": status.ranking[0] if status.ranking else None,
    }
