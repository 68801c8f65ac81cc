"""`--help` that fits the terminal, also one of 40 columns, and tells what each command does in a whole sentence."""

import shutil
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

MIN_WIDTH, MAX_WIDTH = 20, 80
MAX_FIRST_COLUMN_SHARE = 3
"""Options and commands take a third of the width at most; the text of a longer one begins on the next line."""

Context = TyperGroup.context_class


class FittedHelp(Context.formatter_class):
    """Writes help as wide as the terminal; the library's own is at least 50 wide."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        """Write lines of a width, by default the terminal's."""
        width = width or max(MIN_WIDTH, min(shutil.get_terminal_size().columns, max_width or MAX_WIDTH) - 2)
        super().__init__(indent_increment, width, max_width)

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms with their texts."""
        super().write_dl(rows, min(col_max, self.width // MAX_FIRST_COLUMN_SHARE), col_spacing)


class CommandGroup(TyperGroup):
    """A group whose list of commands cuts no sentence; the library's own shortens each to a line."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, each with the first paragraph of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _first_paragraph(command.help)) for name, command in commands if command and not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def install() -> None:
    """Let every command write its help so: the class of its context is where the library looks for the writer."""
    Context.formatter_class = FittedHelp
