"""Checks, before a campaign starts, that an acknowledged message survives a power loss.

A NATS server acknowledges a message before the write is on disk, unless it runs with `sync_interval: always`. The
embedded server does. Another server is asked on its monitoring port: `/jsz` has the setting and the server's id.
"""

import json
import urllib.request
from typing import Any

from lab.client.connection import host_of
from lab.errors import LabError

DEFAULT_MONITORING_PORT = 8222


def monitoring_url(url: str, configured: str | None = None) -> str:
    """Return the address of a server's monitoring: the configured one, else the default port of its host."""
    host = host_of(url)
    return (configured or f"http://{f'[{host}]' if ':' in host else host}:{DEFAULT_MONITORING_PORT}").rstrip("/")


def require_sync(url: str, server_id: str, configured: str | None = None) -> None:
    """Raise LabError unless the server with this id confirms that it syncs every write."""
    endpoint = f"{monitoring_url(url, configured)}/jsz"
    try:
        reply = _fetch(endpoint)
    except (OSError, ValueError) as error:
        raise _unconfirmed(f"{endpoint} does not answer ({error})") from None
    if reply.get("server_id") != server_id:
        raise _unconfirmed(f"{endpoint} answers for another server")
    if not reply.get("config", {}).get("sync_always"):
        raise _unconfirmed(f"{endpoint} reports sync_interval is not always")


def _fetch(endpoint: str) -> dict[str, Any]:
    """Return the monitoring's report on JetStream. Raises OSError, ValueError."""
    with urllib.request.urlopen(f"{endpoint}?config=true", timeout=3.0) as reply:  # noqa: S310  (the user's own server)
        report = json.load(reply)
    return report if isinstance(report, dict) else {}


def _unconfirmed(reason: str) -> LabError:
    return LabError(
        f"can't confirm that the server keeps acknowledged messages in a power loss: {reason}; "
        "hint: run it with `sync_interval: always` and `http: 8222` as in deploy/nats.conf, name another monitoring "
        "address in MOVE37_MONITOR, or give --allow-lazy-sync"
    )
