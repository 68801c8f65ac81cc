"""Who may do what: lists the roles' keys and rights, and writes them out for a lab over several hosts."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bus.security import access
from bus.security import keys as key_files
from lab.commands.options import ConfigOption, HomeOption, JsonOption, home_of, load
from lab.errors import LabError
from lab.home import Home
from lab.terminal.output import print_json

BLOCK = "authorization.conf"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(keys)


def keys(
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the server's authorization block and all seeds to a folder.")
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who may do what on the lab's server: roles, public keys, permissions, and where each seed lies.

    Example: move37 keys --export /etc/move37
    """
    place = home_of(load(config, home=home))
    place.prepare()
    rows = _rows(place)
    if export:
        _write(place, export)
        print(
            f"{export / BLOCK}: include it in the server's configuration; each host needs only the seeds of its roles"
        )
    elif as_json:
        print_json(rows)
    else:
        for row in rows:
            _print(row)


def _rows(place: Home) -> list[dict[str, Any]]:
    """Return a row for each role; a seed is named by its path alone. Raises LabError."""
    try:
        public = key_files.ensure_keys(place.keys, access.ROLES)
    except key_files.KeyFault as error:
        raise LabError(str(error)) from None
    return [
        {
            "role": role,
            "public_key": key,
            "nkey_file": str(key_files.seed_path(place.keys, role).resolve()),
            **asdict(access.permissions(role)),
        }
        for role, key in public.items()
    ]


def _print(row: dict[str, Any]) -> None:
    """Print a role's key and rights."""
    print(f"{row['role']:<11} {row['public_key']}\n{'':<11} {row['nkey_file']}")
    for verb in ("publish", "subscribe"):
        print(f"{'':<11} {verb}: {'  '.join(row[verb])}")


def _write(place: Home, folder: Path) -> None:
    """Write the block and the seeds. Raises LabError."""
    try:
        block = place.authorization()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / BLOCK).write_text(block)
        for role in access.ROLES:
            key_files.write_seed(
                key_files.seed_path(folder, role), key_files.read_seed(key_files.seed_path(place.keys, role))
            )
    except OSError as error:
        raise LabError(f"can't write to {folder}: {error.strerror}") from None
