"""The roles' nkeys: one file for each role with its secret seed, readable by its owner only.

An nkey is an Ed25519 key pair. The server's configuration holds the public key. A client signs a nonce to prove that it
has the seed, so the seed never leaves the client. https://github.com/nats-io/nkeys
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

SUFFIX = ".nk"


class KeyFault(ValueError):
    """A key file can't be used; the text says why and what to do."""


def seed_path(folder: Path, role: str) -> Path:
    """Return the path of a role's seed."""
    return folder / f"{role}{SUFFIX}"


def ensure_keys(folder: Path, roles: Iterable[str]) -> dict[str, str]:
    """Create missing seeds, close all to other users, and return each role's public key. Raises KeyFault."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for role in roles:
        path = seed_path(folder, role)
        if path.exists():
            path.chmod(0o600)
        else:
            write_seed(path, _new_seed())
    return {role: public_key(seed_path(folder, role)) for role in roles}


def write_seed(path: Path, seed: str) -> None:
    """Write a seed atomically, to a file that other users can't read at any time."""
    temporary = path.with_suffix(f".{os.getpid()}.part")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(seed + "\n")
    temporary.replace(path)


def read_seed(path: Path) -> str:
    """Return the seed in a file. Raises KeyFault if it is missing, readable by others, or not a seed."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyFault(f"other users can read the key {path}; hint: chmod 600 {path}")
        seed = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFault(f"can't read the key {path} ({getattr(error, 'strerror', 'not text')})") from None
    _public_key(path, seed)
    return seed


def public_key(path: Path) -> str:
    """Return the public key of the seed in a file. Raises KeyFault."""
    return _public_key(path, read_seed(path))


def _public_key(path: Path, seed: str) -> str:
    """Return a seed's public key. Raises KeyFault, whose text never quotes the seed."""
    import nkeys

    try:
        return bytes(nkeys.from_seed(bytearray(seed.encode())).public_key).decode()
    except Exception:  # noqa: BLE001  (the library documents no exceptions)
        raise KeyFault(f"{path} holds no nkey seed") from None


def _new_seed() -> str:
    import nkeys

    return nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode()
