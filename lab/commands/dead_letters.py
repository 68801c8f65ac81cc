"""Commands about dead letters: dead list, dead show, dead retry."""

import sys
from typing import Annotated

import typer

from lab.errors import WrongUsage
from lab.options import JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.fitted_help import CommandGroup
from lab.terminal.output import print_json, print_json_lines

POSITION = 50

app = typer.Typer(name="dead", cls=CommandGroup, help="List, show and retry messages that a role could not handle.")


@app.command("list")
@with_settings
def list_(settings: Settings, as_json: JsonOption = False) -> None:
    """List the dead letters: role, deliveries, subject, reason.

    Example: move37 dead list --json | jq -r 'select(.role == "desk") | .reason'
    """
    from lab.operations import dead_letters

    letters = run_async(dead_letters.list_letters(settings))
    if as_json:
        print_json_lines(map(dead_letters.letter_summary, letters))
    else:
        dead_letters.print_list(letters)
        if not letters:
            print("no dead letters", file=sys.stderr)


@app.command()
@with_settings
def show(
    settings: Settings,
    number: Annotated[int, typer.Argument(help="The letter's id in `move37 dead list`.", min=1)],
    raw: Annotated[bool, typer.Option("--raw", help="Write only the original message, byte for byte.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a dead letter: the facts, the stack, the original.

    With --json the original's bytes are in hex.

    Example: move37 dead show 3 --raw > message.bin
    """
    from lab.operations import dead_letters

    letter = run_async(dead_letters.get_letter(settings, number))
    if raw:
        dead_letters.write_original(letter)
    elif as_json:
        print_json(dead_letters.letter_details(letter))
    else:
        dead_letters.print_letter(letter)


@app.command()
@with_settings
def retry(
    settings: Settings,
    numbers: Annotated[list[int] | None, typer.Argument(help="Letters, by their id in `move37 dead list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every letter that can be retried.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Deliver a letter's message to its role again.

    A stopped lab handles it when it runs again.

    Example: move37 dead retry 3
    """
    from lab.operations import dead_letters

    if bool(numbers) == every:
        raise WrongUsage("give either letter ids or --all; hint: move37 dead list prints the ids")
    retries = run_async(dead_letters.retry_letters(settings, numbers or []))
    if as_json:
        print_json_lines(dead_letters.letter_summary(letter) | {"new": new} for letter, new in retries)
    else:
        for letter, new in retries:
            state = "sent" if new else "was already sent"
            print(f"letter {letter.seq} {state} to {letter.role}: {letter.original.subject}")
    if not retries:
        print("no letter can be retried", file=sys.stderr)
