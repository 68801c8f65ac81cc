"""How a process of the lab connects to its server: the address, the role's key, the certificate authority.

An embedded server's seeds lie in the home. For any other server `nkey_file` names a seed. If the seed of the process's
own role lies in the same folder, as `move37 keys --export` writes it, that one is used.
Without `nkey_file`, NATS_CREDS is used: a file with a user's JWT and seed, as `nats --creds` takes it, or a seed alone.
"""

import ipaddress
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.security.identity import Identity
from lab.errors import LabError
from lab.roster import key_names
from lab.settings import Settings

TLS_SCHEMES = ("tls", "wss")


async def connect(
    settings: Settings, role: str, url: str, *, name: str = "", seeds: Path | None = None
) -> NatsTransport:
    """Connect as a role, trying for `settings.patience` seconds; `seeds` has an embedded server's keys.

    Raises LabError, TransportError.
    """
    refuse_plaintext(url, allowed=settings.allow_plaintext)
    identity = identify(settings, role, seeds)
    try:
        return await NatsTransport.connect(url, name=name or role, identity=identity, wait=settings.patience)
    except (ssl.SSLError, FileNotFoundError) as error:
        raise LabError(
            f"can't use tls_ca = {settings.tls_ca} ({error}); hint: name the authority's certificate in PEM"
        ) from None


def identify(settings: Settings, role: str, seeds: Path | None = None) -> Identity:
    """Return the identity of a role to its server. Raises LabError if its key can't be used."""
    creds = None if seeds or settings.nkey_file else _creds_file()
    nkey_file = settings.nkey_file or (creds if creds and _is_seed(creds) else None)
    seed = keys.seed_path(seeds, role) if seeds else role_seed_path(nkey_file, role)
    try:
        if seed:
            keys.read_seed(seed)
            return Identity(_role_of_seed(seed, role), seed, ca=settings.tls_ca)
    except keys.KeyFault as error:
        raise LabError(str(error)) from None
    return Identity(role, creds=creds, ca=settings.tls_ca)


def _creds_file() -> Path | None:
    """Return the file that NATS_CREDS names. Raises LabError if it can't be read."""
    name = os.environ.get("NATS_CREDS")
    if name and not os.access(name, os.R_OK):
        raise LabError(f"can't read NATS_CREDS = {name}; hint: name an existing file, or unset NATS_CREDS")
    return Path(name) if name else None


def _is_seed(path: Path) -> bool:
    """Return True if a file holds an nkey seed alone, without a JWT."""
    return path.read_bytes().strip().startswith(b"SU")


def role_seed_path(nkey_file: Path | None, role: str) -> Path | None:
    """Return the role's own seed in the folder of `nkey_file` if it exists, else `nkey_file`."""
    if nkey_file is None:
        return None
    own = keys.seed_path(nkey_file.parent, role)
    return own if own.exists() else nkey_file


def _role_of_seed(seed: Path, role: str) -> str:
    """Return the role that a seed's file name says: the server permits replies by the role of the key."""
    return seed.stem if seed.stem in key_names() or access.person_of(seed.stem) else role


def refuse_plaintext(url: str, *, allowed: bool) -> None:
    """Raise LabError for an address that would send the log unencrypted over a network."""
    if not allowed and not is_encrypted(url) and not is_loopback(url):
        raise LabError(
            f"the connection to {redact_url(url)} is not encrypted and leaves this machine; "
            "hint: use tls://, or give --allow-plaintext on a private network"
        )


def is_encrypted(url: str) -> bool:
    """Return True if an address asks for encryption."""
    return urlsplit(url).scheme in TLS_SCHEMES


def host_of(url: str) -> str:
    """Return the host of an address, with or without a scheme."""
    return urlsplit(url if "://" in url else f"nats://{url}").hostname or ""


def is_loopback(url: str) -> bool:
    """Return True if an address is on this machine."""
    host = host_of(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def redact_url(url: str) -> str:
    """Return an address without any user and password."""
    return url.rpartition("@")[2] if "@" in url else url
