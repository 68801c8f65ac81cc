"""Commands about dead letters: dead list, dead show, dead retry."""

import sys
from typing import Annotated

import typer

from lab.commands.options import ConfigOption, HomeOption, JsonOption, NatsOption, PlaintextOption, load
from lab.commands.options import run as run_async
from lab.errors import WrongUsage
from lab.terminal.output import print_json, print_json_lines


def register(app: typer.Typer) -> None:
    """Add the commands, as a group."""
    group = typer.Typer(help="Messages that a role could not decide upon: what, why, and the way back.")
    for command in (list_, show, retry):
        group.command(command.__name__.rstrip("_"))(command)
    app.add_typer(group, name="dead")


def list_(
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the dead letters: role, deliveries, subject, reason.

    Example: move37 dead list --json | jq -r 'select(.role == "desk") | .reason'
    """
    from lab.operations import dead_letters

    found = run_async(dead_letters.list_letters(load(config, home=home, nats=nats, allow_plaintext=plaintext).settings))
    if as_json:
        print_json_lines(map(dead_letters.letter_summary, found))
    else:
        dead_letters.print_list(found)
        if not found:
            print("no dead letters", file=sys.stderr)


def show(
    number: Annotated[int, typer.Argument(help="The letter's id in `move37 dead list`.", min=1)],
    raw: Annotated[bool, typer.Option("--raw", help="Write only the original message, byte for byte.")] = False,
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a dead letter: the facts, the stack, and the original; --json has its bytes as hex.

    Example: move37 dead show 3 --raw > message.bin
    """
    from lab.operations import dead_letters

    letter = run_async(
        dead_letters.get_letter(load(config, home=home, nats=nats, allow_plaintext=plaintext).settings, number)
    )
    if raw:
        dead_letters.write_original(letter)
    elif as_json:
        print_json(dead_letters.letter_details(letter))
    else:
        dead_letters.print_one(letter)


def retry(
    numbers: Annotated[list[int] | None, typer.Argument(help="Letters, by their id in `move37 dead list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every letter that can be retried.")] = False,
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand a letter's message to its role once more; a stopped lab takes it up when it runs again.

    Example: move37 dead retry 3
    """
    from lab.operations import dead_letters

    if bool(numbers) == every:
        raise WrongUsage("say which letters, by their id in `move37 dead list`, or --all")
    settings = load(config, home=home, nats=nats, allow_plaintext=plaintext).settings
    done = run_async(dead_letters.retry_letters(settings, numbers or []))
    if as_json:
        print_json_lines(dead_letters.letter_summary(letter) | {"new": how == "handed to"} for letter, how in done)
    else:
        for letter, how in done:
            print(f"letter {letter.seq} {how} {letter.role}: {letter.original.subject}")
    if not done:
        print("no letter can be retried", file=sys.stderr)
