"""Operating by dead letters: what was given up and why, and the way back for what a person has mended meanwhile."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from bus.delivery import dead_letters
from bus.delivery.dead_letters import DeadLetter
from bus.security import access
from bus.wire import subjects
from bus.wire.envelope import MalformedMessage
from bus.wire.stored import Stored
from lab.client.session import LabClient, open_lab
from lab.errors import LabError
from lab.operations.log_export import read_stream
from lab.settings import Settings
from lab.terminal.tables import console


async def list_letters(settings: Settings) -> list[DeadLetter]:
    """Return all dead letters, oldest first."""
    async with open_lab(settings) as reader:
        return await _read(reader)


async def get_letter(settings: Settings, number: int) -> DeadLetter:
    """Return the letter of a number. Raises LabError where there is none."""
    return _find(await list_letters(settings), number)


async def retry_letters(settings: Settings, numbers: Sequence[int]) -> list[tuple[DeadLetter, str]]:
    """Hand letters to their roles again and say of each what became of it; no numbers mean all that can be.

    Raises LabError where a named letter can't be retried; then none is.
    """
    async with open_lab(settings, access.ADMIN) as reader:  # nobody else may hand a message to a role
        letters = await _read(reader)
        chosen = [_find(letters, number) for number in numbers] or [
            one for one in letters if not dead_letters.retry_objection(one)
        ]
        for letter in chosen:
            if reason := dead_letters.retry_objection(letter):
                raise LabError(f"letter {letter.seq}: {reason}")
        handed = [await reader.bus.retry_dead_letter(letter) for letter in chosen]
    return [(one, "handed to" if new else "had been handed to") for one, new in zip(chosen, handed, strict=True)]


async def _read(reader: LabClient) -> list[DeadLetter]:
    """Return all dead letters; what is none on their stream becomes one of nobody's."""
    return [_letter(stored) for stored in await read_stream(reader, subjects.DEAD)]


def _letter(stored: Stored) -> DeadLetter:
    """Return the letter that a message holds, or one that says why it holds none."""
    try:
        return dead_letters.decode(stored)
    except MalformedMessage as error:
        role = stored.subject.rsplit(".", 1)[1]
        return DeadLetter(role, str(error), stored, said=("nothing readable",), seq=stored.seq)


def _find(letters: Sequence[DeadLetter], number: int) -> DeadLetter:
    """Return the letter of a number. Raises LabError."""
    for letter in letters:
        if letter.seq == number:
            return letter
    raise LabError(f"no dead letter {number}; `move37 dead list` lists them")


def letter_summary(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter's line for a program."""
    return {
        "id": letter.seq,
        "role": letter.role,
        "reason": letter.reason,
        "subject": letter.original.subject,
        "seq": letter.original.seq,
        "deliveries": letter.deliveries,
        "retry": letter.retry,
        "said": list(letter.said),
        "retriable": dead_letters.retry_objection(letter) is None,
    }


def letter_details(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter with its stack and its original bytes for a program."""
    payload = letter.original.payload
    text = letter.preview or payload.decode("utf-8", "backslashreplace")
    return letter_summary(letter) | {"stack": letter.stack, "payload": text, "payload_hex": payload.hex()}


def print_list(letters: Sequence[DeadLetter]) -> None:
    """Print one line a letter."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("id", "role", "deliveries", "subject", "reason"):
        table.add_column(name, justify="right" if name in {"id", "deliveries"} else "left", no_wrap=name != "reason")
    for letter in letters:
        table.add_row(
            str(letter.seq), letter.role, str(letter.deliveries), escape(letter.original.subject), escape(letter.reason)
        )
    console().print(table)


def print_one(letter: DeadLetter) -> None:
    """Print a letter: the facts, the stack, and the original, in which nothing can steer a terminal."""
    for name, value in letter_summary(letter).items():
        print(f"{name:<12} {json.dumps(value) if isinstance(value, list | bool) else value}")
    if reason := dead_letters.retry_objection(letter):
        print(f"{'':<12} {reason}")
    if letter.stack:
        print(f"\n{letter.stack.rstrip()}")
    text = letter.preview or letter.original.payload.decode("utf-8", "backslashreplace")
    safe = (c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    print("", "".join(safe), sep="\n")


def write_original(letter: DeadLetter) -> None:
    """Write the original message to stdout, byte for byte. Raises LabError where the letter has only its beginning."""
    if letter.preview:
        raise LabError(f"letter {letter.seq}: {dead_letters.retry_objection(letter)}")
    sys.stdout.buffer.write(letter.original.payload)
