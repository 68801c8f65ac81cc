"""Whether an acknowledged message survives a power loss: the lab wants to know before it starts a campaign.

A NATS server acknowledges before a write is on disk unless it runs with `sync_interval: always`. The embedded one
does, by our own configuration; another one is asked on its monitoring port, where `/jsz` tells it with the server's id.
"""

import json
import urllib.request
from typing import Any

from lab.client.connection import host_of
from lab.errors import LabError

DEFAULT_MONITORING_PORT = 8222


def monitoring(url: str, given: str | None = None) -> str:
    """Return where a server's monitoring is to be found."""
    host = host_of(url)
    return (given or f"http://{f'[{host}]' if ':' in host else host}:{DEFAULT_MONITORING_PORT}").rstrip("/")


def require_sync(url: str, server_id: str, given: str | None = None) -> None:
    """Raise LabError where it can't be confirmed that the server of this id syncs every write."""
    where = f"{monitoring(url, given)}/jsz"
    try:
        told = _ask(where)
    except (OSError, ValueError) as error:
        raise _unconfirmed(f"{where} does not answer ({error})") from None
    if told.get("server_id") != server_id:
        raise _unconfirmed(f"{where} answers for another server")
    if not told.get("config", {}).get("sync_always"):
        raise _unconfirmed(f"{where} says that it syncs now and then")


def _ask(where: str) -> dict[str, Any]:
    """Return what the monitoring tells of JetStream. Raises OSError, ValueError."""
    with urllib.request.urlopen(f"{where}?config=true", timeout=3.0) as reply:  # noqa: S310  (the person's own server)
        told = json.load(reply)
    return told if isinstance(told, dict) else {}


def _unconfirmed(why: str) -> LabError:
    """Return the refusal with its remedies."""
    return LabError(
        f"can't confirm that the server keeps what it acknowledges: {why}; run it with `sync_interval: always` and "
        "`http: 8222` (deploy/nats.conf; MOVE37_MONITOR names another address), or accept that with --allow-lazy-sync"
    )
