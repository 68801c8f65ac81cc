"""How a process of the lab reaches its server: over which address, as whom, trusting which authority.

An embedded server knows the seeds in its home. For any other, `nkey_file` names a seed; where another role's seed lies
beside it (`keys --export` writes them so), that role's own is taken. Without one `NATS_CREDS` is honoured, be it a file
of a user's JWT and seed, as `nats --creds` takes it, or such a seed alone.
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
from lab.settings import Settings

TLS_SCHEMES = ("tls", "wss")


async def connect(
    settings: Settings, role: str, url: str, *, name: str = "", seeds: Path | None = None, wait: float = 20.0
) -> NatsTransport:
    """Connect as a role; `seeds` is the folder of an embedded server's keys. Raises LabError, TransportError."""
    refuse_plaintext(url, allowed=settings.allow_plaintext)
    identity = identify(settings, role, seeds)
    try:
        return await NatsTransport.connect(url, name=name or role, identity=identity, wait=wait)
    except (ssl.SSLError, FileNotFoundError) as error:
        raise LabError(f"tls_ca = {settings.tls_ca}: {error}; name the authority's certificate in PEM") from None


def identify(settings: Settings, role: str, seeds: Path | None = None) -> Identity:
    """Return who a role is to its server. Raises LabError where its key can't be used."""
    creds = None if seeds or settings.nkey_file else _creds()
    given = settings.nkey_file or (creds if creds and _holds_seed(creds) else None)
    seed = keys.seed_path(seeds, role) if seeds else role_seed_path(given, role)
    try:
        if seed:
            keys.read_seed(seed)
            return Identity(_key_of(seed, role), seed, ca=settings.tls_ca)
    except keys.KeyFault as error:
        raise LabError(str(error)) from None
    return Identity(role, creds=creds, ca=settings.tls_ca)


def _creds() -> Path | None:
    """Return the file that NATS_CREDS names. Raises LabError where it can't be read."""
    named = os.environ.get("NATS_CREDS")
    if named and not os.access(named, os.R_OK):
        raise LabError(f"NATS_CREDS = {named}: there is no such file, or it may not be read")
    return Path(named) if named else None


def _holds_seed(path: Path) -> bool:
    """Say whether a file holds an nkey seed and no JWT beside it."""
    return path.read_bytes().strip().startswith(b"SU")


def role_seed_path(given: Path | None, role: str) -> Path | None:
    """Return a role's seed beside the one that was given, else that one."""
    if given is None:
        return None
    own = keys.seed_path(given.parent, role)
    return own if own.exists() else given


def _key_of(seed: Path, role: str) -> str:
    """Return whose key a file holds, by its name: that decides where the server lets answers go."""
    return seed.stem if seed.stem in access.ROLES else role


def refuse_plaintext(url: str, *, allowed: bool) -> None:
    """Raise LabError for an address that would send the log over a network in the clear."""
    if not allowed and not is_encrypted(url) and not is_loopback(url):
        raise LabError(
            f"{redact_url(url)} is neither encrypted nor on this machine; use tls://, "
            "or say --allow-plaintext where the network itself is private"
        )


def is_encrypted(url: str) -> bool:
    """Say whether an address asks for encryption."""
    return urlsplit(url).scheme in TLS_SCHEMES


def host_of(url: str) -> str:
    """Return the host of an address, with or without a scheme."""
    return urlsplit(url if "://" in url else f"nats://{url}").hostname or ""


def is_loopback(url: str) -> bool:
    """Say whether an address is on this machine."""
    host = host_of(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def redact_url(url: str) -> str:
    """Return an address without any user and password."""
    return url.rpartition("@")[2] if "@" in url else url
