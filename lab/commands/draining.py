"""The command that ends a service after its work in hand: drain."""

from typing import Annotated

import typer

from lab.errors import LabError
from lab.options import JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json_lines

POSITION = 45

app = typer.Typer()


@app.command()
@with_settings
def drain(
    settings: Settings,
    service: Annotated[str, typer.Argument(help="A role such as trainer, or one service such as trainer/host-7.")],
    timeout: Annotated[float, typer.Option(help="How many seconds to wait for the end.", min=0)] = 3600.0,
    as_json: JsonOption = False,
) -> None:
    """End services after the work that they have in hand.

    A supervisor that keeps a service running (`move37 run`, systemd, Kubernetes) then starts a new process.

    Example: move37 drain trainer --nats nats://lab1:4222
    """
    from lab.operations import drain as draining

    ends = run_async(draining.drain(settings, service, timeout))
    if as_json:
        print_json_lines(ends)
    for one in ends:
        if one["ended"] and not as_json:
            print(f"{one['role']}/{one['instance']} has ended")
    if busy := [f"{one['role']}/{one['instance']}" for one in ends if not one["ended"]]:
        raise LabError(f"still at work after {timeout:g} s: {', '.join(busy)}; hint: they end after it all the same")
