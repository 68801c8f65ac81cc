"""The command `keys`: lists the roles' keys and rights, and exports them for a lab over several hosts."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bus.security import access
from bus.security import keys as key_files
from lab.errors import LabError
from lab.home import Home
from lab.options import ConfigOption, HomeOption, JsonOption, load_settings
from lab.roster import key_names, role_specs
from lab.terminal.output import print_json

POSITION = 70
AUTHORIZATION_FILE = "authorization.conf"

app = typer.Typer()


@app.command()
def keys(
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the server's authorization block and all seeds to a folder.")
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the roles' keys and rights.

    For each role: its public key, the file of its seed, and the subjects it may publish and subscribe to.

    Example: move37 keys --export /etc/move37
    """
    lab_home = Home(load_settings(config, home=home).settings.home)
    lab_home.prepare()
    rows = _rows(lab_home)
    if export:
        _export(lab_home, export)
        print(
            f"wrote {export / AUTHORIZATION_FILE} and {len(rows)} seeds; "
            "hint: include the file in the server's configuration, and copy to each host the seeds of its roles"
        )
    elif as_json:
        print_json(rows)
    else:
        for row in rows:
            _print_row(row)


def _rows(home: Home) -> list[dict[str, Any]]:
    """Return a row for each role, with the path of its seed and never the seed. Raises LabError."""
    try:
        public_keys = key_files.ensure_keys(home.keys, key_names())
    except key_files.KeyFault as error:
        raise LabError(str(error)) from None
    rights = access.all_permissions(role_specs())
    return [
        {
            "role": role,
            "public_key": key,
            "nkey_file": str(key_files.seed_path(home.keys, role).resolve()),
            **asdict(rights[role]),
        }
        for role, key in public_keys.items()
    ]


def _print_row(row: dict[str, Any]) -> None:
    print(f"{row['role']:<11} {row['public_key']}\n{'':<11} {row['nkey_file']}")
    for verb in ("publish", "subscribe"):
        print(f"{'':<11} {verb}: {'  '.join(row[verb])}")


def _export(home: Home, folder: Path) -> None:
    """Write the authorization block and the seeds. Raises LabError."""
    try:
        block = home.authorization()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / AUTHORIZATION_FILE).write_text(block)
        for role in key_names():
            seed = key_files.read_seed(key_files.seed_path(home.keys, role))
            key_files.write_seed(key_files.seed_path(folder, role), seed)
    except OSError as error:
        raise LabError(f"can't write to {folder} ({error.strerror}); hint: choose another folder") from None
