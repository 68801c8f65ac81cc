"""The roles' nkeys: each role has a file with its secret seed, which only the file's owner can read.

An nkey is an Ed25519 key pair. The server's configuration holds the public key. A client signs a nonce to prove that it
has the seed, so the seed never leaves the client. https://github.com/nats-io/nkeys
"""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from bus.security.access import PERSON

SEED_SUFFIX = ".nk"


class KeyFault(ValueError):
    """A key file can't be used; the text says why in one line."""


def seed_path(folder: Path, role: str) -> Path:
    """Return the path of a role's seed."""
    return folder / f"{role}{SEED_SUFFIX}"


def ensure_keys(folder: Path, roles: Collection[str]) -> dict[str, str]:
    """Create the seeds that are missing, let only their owner read them, and return the public keys by role.

    Raises KeyFault if a seed that exists is damaged.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for role in roles:
        path = seed_path(folder, role)
        if path.exists():
            path.chmod(0o600)
        else:
            write_seed(path, _new_seed())
    return {role: public_key(seed_path(folder, role)) for role in roles}


def people(folder: Path) -> tuple[str, ...]:
    """Return the names of people's keys in a folder, `person.ada` for one, in order."""
    return tuple(sorted(path.stem for path in folder.glob(f"{PERSON}*{SEED_SUFFIX}")))


def write_seed(path: Path, seed: str) -> None:
    """Write a seed atomically, to a file that other users can never read."""
    temporary = path.with_suffix(f".{os.getpid()}.part")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(seed + "\n")
    temporary.replace(path)


def read_seed(path: Path) -> str:
    """Return the seed in a file. Raises KeyFault if it is missing, readable by others, or not a seed."""
    try:
        status = path.stat()
        # Kubernetes mounts a secret as root's file, which a service reads by its group and can't change.
        allowed = 0o700 if status.st_uid == os.geteuid() else 0o740
        if stat.S_IMODE(status.st_mode) & ~allowed:
            raise KeyFault(f"other users can read the key {path}; hint: chmod 600 {path}")
        seed = path.read_text().strip()
    except OSError as error:
        raise KeyFault(f"can't read the key {path} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise KeyFault(f"can't read the key {path} (not text)") from None
    _derive_public_key(seed, path)  # raises if the text is no seed
    return seed


def public_key(path: Path) -> str:
    """Return the public key of the seed in a file. Raises KeyFault."""
    return _derive_public_key(read_seed(path), path)


def _derive_public_key(seed: str, path: Path) -> str:
    """Return a seed's public key. Raises KeyFault, which names the seed's file and never quotes the seed."""
    import nkeys

    try:
        return bytes(nkeys.from_seed(bytearray(seed.encode())).public_key).decode()
    except Exception:  # noqa: BLE001  (the library documents no exceptions)
        raise KeyFault(f"{path} holds no nkey seed") from None


def _new_seed() -> str:
    """Return a random seed, as nkeys writes those of a user."""
    import nkeys

    return nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode()
