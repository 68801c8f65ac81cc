"""The command `keys`: lists keys and rights, exports them for a lab over several hosts, and gives people keys."""

import re
import sys
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bus.nats import server
from bus.security import access
from bus.security import keys as key_files
from lab.errors import LabError
from lab.home import Home
from lab.options import ConfigOption, HomeOption, JsonOption, load_settings
from lab.roster import role_specs
from lab.terminal.fitted_help import CommandGroup
from lab.terminal.output import print_json
from lab.terminal.prose import print_line

POSITION = 70
AUTHORIZATION_FILE = "authorization.conf"
PERSON_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
NameArgument = Annotated[str, typer.Argument(help="The person's name, one word.")]

app = typer.Typer()
keys_app = typer.Typer(cls=CommandGroup, invoke_without_command=True)
app.add_typer(keys_app, name="keys")


@keys_app.callback()
def keys(
    context: typer.Context,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the server's authorization block and all seeds to a folder.")
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the keys and rights of roles and people.

    For each: its public key, the file of its seed, and the subjects it may publish and subscribe to.

    Example: move37 keys --export /etc/move37
    """
    if context.invoked_subcommand:
        return
    lab_home = _home(home, config)
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


@keys_app.command("add")
def add_person(name: NameArgument, home: HomeOption = None, config: ConfigOption = None) -> None:
    """Give a person a key of their own, and print the path of its seed.

    What they say with it counts as theirs. The lab's own server knows the key at once.

    Example: move37 keys add ada
    """
    lab_home, key = _home(home, config), _person_key(name)
    seed = key_files.seed_path(lab_home.keys, key)
    if seed.exists():
        raise LabError(f"{name} has a key already, {seed}; hint: move37 keys revoke {name} makes it useless")
    _ensure(lab_home, (*lab_home.key_names(), key))
    _renew_rules(lab_home)
    print(seed.resolve())


@keys_app.command("revoke")
def revoke_person(name: NameArgument, home: HomeOption = None, config: ConfigOption = None) -> None:
    """Delete a person's key; the lab's own server refuses it from now on.

    Example: move37 keys revoke ada
    """
    lab_home, key = _home(home, config), _person_key(name)
    seed = key_files.seed_path(lab_home.keys, key)
    if not seed.exists():
        raise LabError(f"{name} has no key in {lab_home.keys}; hint: move37 keys lists all keys")
    seed.unlink()
    _renew_rules(lab_home)
    print(f"{name} has no key any more")


def _home(home: Path | None, config: Path | None) -> Home:
    """Return the prepared home that the options name. Raises LabError."""
    lab_home = Home(load_settings(config, home=home).settings.home)
    lab_home.prepare()
    return lab_home


def _person_key(name: str) -> str:
    """Return the name of a person's key. Raises LabError for a name that is no token of a subject."""
    if not PERSON_NAME.fullmatch(name):
        raise LabError(f"{name!r} can't name a key; hint: up to 32 lower-case letters, digits, - and _")
    return access.PERSON + name


def _ensure(home: Home, names: Collection[str]) -> dict[str, str]:
    """Create the seeds that are missing and return the public keys. Raises LabError."""
    try:
        return key_files.ensure_keys(home.keys, names)
    except key_files.KeyFault as error:
        raise LabError(str(error)) from None


def _renew_rules(home: Home) -> None:
    """Let the lab's own server read its keys again if it runs."""
    if not server.reload_rules(home.nats, home.authorization()):
        print(
            "hint: no server of this lab runs here; the next one knows its keys, "
            "and a server of your own needs them again: move37 keys --export, then reload it",
            file=sys.stderr,
        )


def _rows(home: Home) -> list[dict[str, Any]]:
    """Return a row for each key, with the path of its seed and never the seed. Raises LabError."""
    public_keys = _ensure(home, home.key_names())
    rights = access.all_permissions(role_specs(), filter(None, map(access.person_of, public_keys)))
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
    print_line(f"{row['role']:<11} ", row["public_key"])
    print_line(f"{'':<11} ", row["nkey_file"])
    for verb in ("publish", "subscribe"):
        print_line(f"{'':<11} ", f"{verb}: {'  '.join(row[verb])}")


def _export(home: Home, folder: Path) -> None:
    """Write the authorization block and the seeds. Raises LabError."""
    try:
        block = home.authorization()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / AUTHORIZATION_FILE).write_text(block)
        for role in home.key_names():
            seed = key_files.read_seed(key_files.seed_path(home.keys, role))
            key_files.write_seed(key_files.seed_path(folder, role), seed)
    except OSError as error:
        raise LabError(f"can't write to {folder} ({error.strerror}); hint: choose another folder") from None
