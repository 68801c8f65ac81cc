"""Lines of text that fit the terminal: a long one continues below its own text. Where nobody looks, it stays whole.

A pipe or a file gets every line as it is, for `grep` and `awk`.
"""

import shutil
import sys
from collections.abc import Iterator
from textwrap import TextWrapper

MAX_HANGING_SHARE = 4
"""A line continues at a quarter of the width at most, so that a narrow terminal has room for words."""
COMMAND = "move37 "
"""How a line begins that a person may copy into a shell: it stays whole, and the terminal breaks it."""


def print_line(head: str, text: str = "") -> None:
    """Print a line that begins with a head; on a terminal, what is too long of the text continues below the text."""
    print(fitted(head, text, terminal_width()))


def terminal_width() -> int | None:
    """Return the width of the terminal that stdout is, None if it is none. `COLUMNS` overrides it."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitted(head: str, text: str, width: int | None) -> str:
    """Return a head and a text as lines of at most `width` characters, or as one line without a width."""
    whole = f"{head}{text}".rstrip()
    if width is None or len(whole) <= width or whole.lstrip().startswith(COMMAND):
        return whole
    if not text:  # an indented line
        text = head.lstrip()
        head = head[: len(head) - len(text)]
    hanging = " " * min(len(head) or 2, width // MAX_HANGING_SHARE)
    wrapper = TextWrapper(width, initial_indent=head, subsequent_indent=hanging, break_on_hyphens=False)
    return wrapper.fill(text)


def fitted_code(line: str, width: int | None) -> Iterator[str]:
    """Yield a line of a difference as pieces of at most `width` characters, each with its mark `+`, `-` or ` `."""
    if width is None or len(line) <= width:
        yield line
        return
    yield line[:width]
    mark, indent = line[0], len(line[1:]) - len(line[1:].lstrip()) + 4
    margin = mark + " " * min(indent, width // MAX_HANGING_SHARE)
    rest, room = line[width:], width - len(margin)
    for start in range(0, len(rest), room):
        yield margin + rest[start : start + room]
