"""The roles' nkeys: one file a role with its secret seed, readable by its owner alone.

An nkey is an Ed25519 pair: the server's configuration holds the public half, and a client proves that it has the seed
by signing a nonce, so the seed never travels. https://github.com/nats-io/nkeys
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

SUFFIX = ".nk"


class KeyFault(ValueError):
    """A key file that can't be used; the text says why and what to do."""


def seed_path(folder: Path, role: str) -> Path:
    """Return where a role's seed lies."""
    return folder / f"{role}{SUFFIX}"


def ensure_keys(folder: Path, roles: Iterable[str]) -> dict[str, str]:
    """Make the seeds that are missing and return each role's public key."""
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
    """Write a seed so that it is never readable by others and never half there."""
    temporary = path.with_suffix(f".{os.getpid()}.part")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(seed + "\n")
    temporary.replace(path)


def read_seed(path: Path) -> str:
    """Return the seed in a file. Raises KeyFault where it is missing, open to others, or none."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyFault(f"{path} may be read by others; `chmod 600 {path}` first")
        seed = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFault(f"can't read the key {path}: {getattr(error, 'strerror', 'not text')}") from None
    _pair(path, seed)
    return seed


def public_key(path: Path) -> str:
    """Return the public key that belongs to a seed file. Raises KeyFault."""
    return _pair(path, read_seed(path))


def _pair(path: Path, seed: str) -> str:
    """Return a seed's public key. Raises KeyFault, which never quotes the seed."""
    import nkeys

    try:
        return bytes(nkeys.from_seed(bytearray(seed.encode())).public_key).decode()
    except Exception:  # noqa: BLE001  (the library raises whatever its decoding meets)
        raise KeyFault(f"{path} holds no nkey seed") from None


def _new_seed() -> str:
    """Draw a seed."""
    import nkeys

    return nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode()
