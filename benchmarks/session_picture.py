"""Record a terminal session as a picture: `python -m benchmarks.session_picture LOG OUT.svg`.

It runs the commands on a pseudo-terminal, on the exported log of a campaign, and draws what they print.
"""

import io
import os
import pty
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH, HEIGHT = 110, 40
COMMANDS = (
    "move37 best -n 5",
    "move37 why e0023",
    'move37 sql "SELECT origin, count(*) AS designs, max(objective) AS best FROM experiments GROUP BY origin"',
    "move37 evidence",
)


def main() -> None:
    """Run the commands and write the picture."""
    log, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for command in COMMANDS:
        console.print(f"[bold green]$[/] [bold]{command} --log {log.name}[/]", highlight=False)
        console.print(Text.from_ansi(output_of(f"{command} --log {log}")))
    out.write_text(console.export_svg(title="move37"))


def output_of(command: str) -> str:
    """Return what a command prints on a terminal of this width."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "LINES": str(HEIGHT)}
    words = [sys.executable, "-m", "lab.cli", *shlex.split(command)[1:], "--quiet"]
    with subprocess.Popen(words, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        chunks: list[bytes] = []
        with suppress(OSError):  # the terminal is gone once the program has ended
            while chunk := os.read(controller, 4096):
                chunks.append(chunk)
        process.wait()
    os.close(controller)
    return b"".join(chunks).decode(errors="replace").replace("\r\n", "\n").rstrip()


if __name__ == "__main__":
    main()
