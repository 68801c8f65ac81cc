"""Lists, shows and retries dead letters: messages that a role could not handle, with their reasons."""

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
from bus.wire.stored_message import StoredMessage
from lab.client.lab_client import LabClient
from lab.client.session import open_lab
from lab.errors import LabError
from lab.operations.log_export import read_stream
from lab.settings import Settings
from lab.terminal.tables import console


async def list_letters(settings: Settings) -> list[DeadLetter]:
    """Return all dead letters, oldest first."""
    async with open_lab(settings) as reader:
        return await _read_letters(reader)


async def get_letter(settings: Settings, number: int) -> DeadLetter:
    """Return the letter of a number. Raises LabError if there is none."""
    return _find(await list_letters(settings), number)


async def retry_letters(settings: Settings, numbers: Sequence[int]) -> list[tuple[DeadLetter, bool]]:
    """Send letters to their roles again; without numbers, every letter that can be retried.

    Return each letter with True, or with False if it had been sent before. Raises LabError if a named letter can't be
    retried; then none is sent.
    """
    async with open_lab(settings, access.ADMIN) as client:  # only this role may publish a retry
        letters = await _read_letters(client)
        chosen = [_find(letters, number) for number in numbers] or [
            letter for letter in letters if not dead_letters.retry_objection(letter)
        ]
        for letter in chosen:
            if objection := dead_letters.retry_objection(letter):
                raise LabError(f"can't retry letter {letter.seq}: {objection}")
        return [(letter, await client.bus.retry_dead_letter(letter)) for letter in chosen]


async def _read_letters(client: LabClient) -> list[DeadLetter]:
    """Return all dead letters; a message that is none becomes a letter that can't be retried."""
    return [_decode(stored) for stored in await read_stream(client, subjects.DEAD)]


def _decode(stored: StoredMessage) -> DeadLetter:
    """Return the letter in a message, or a letter that says why the message holds none."""
    try:
        return dead_letters.decode(stored)
    except MalformedMessage as error:
        role = stored.subject.rsplit(".", 1)[1]
        return DeadLetter(role, str(error), stored, fallback_types=("nothing readable",), seq=stored.seq)


def _find(letters: Sequence[DeadLetter], number: int) -> DeadLetter:
    """Return the letter of a number. Raises LabError."""
    for letter in letters:
        if letter.seq == number:
            return letter
    raise LabError(f"no dead letter {number}; hint: move37 dead list prints the ids")


def letter_summary(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter's facts as JSON."""
    return {
        "id": letter.seq,
        "role": letter.role,
        "reason": letter.reason,
        "subject": letter.original.subject,
        "seq": letter.original.seq,
        "deliveries": letter.deliveries,
        "retry": letter.retry,
        "said": list(letter.fallback_types),
        "retriable": dead_letters.retry_objection(letter) is None,
    }


def letter_details(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter's facts with its stack and its original bytes as JSON."""
    payload = letter.original.payload
    text = letter.preview or payload.decode("utf-8", "backslashreplace")
    return letter_summary(letter) | {"stack": letter.stack, "payload": text, "payload_hex": payload.hex()}


def print_list(letters: Sequence[DeadLetter]) -> None:
    """Print one line for each letter."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("id", "role", "deliveries", "subject", "reason"):
        table.add_column(name, justify="right" if name in {"id", "deliveries"} else "left", no_wrap=name != "reason")
    for letter in letters:
        table.add_row(
            str(letter.seq), letter.role, str(letter.deliveries), escape(letter.original.subject), escape(letter.reason)
        )
    console().print(table)


def print_letter(letter: DeadLetter) -> None:
    """Print a letter: the facts, the stack, and the original with its control characters escaped."""
    for name, value in letter_summary(letter).items():
        print(f"{name:<12} {json.dumps(value) if isinstance(value, list | bool) else value}")
    if objection := dead_letters.retry_objection(letter):
        print(f"{'':<12} {objection}")
    if letter.stack:
        print(f"\n{letter.stack.rstrip()}")
    text = letter.preview or letter.original.payload.decode("utf-8", "backslashreplace")
    escaped = (c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    print("", "".join(escaped), sep="\n")


def write_original(letter: DeadLetter) -> None:
    """Write the original message to stdout, byte for byte. Raises LabError if the letter has only its beginning."""
    if letter.preview:
        raise LabError(f"letter {letter.seq} is incomplete: {dead_letters.retry_objection(letter)}")
    sys.stdout.buffer.write(letter.original.payload)
